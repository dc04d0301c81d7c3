"""What the tools do: arguments in, through the one door, and an answer with the images or in words what was wrong."""

from __future__ import annotations

import asyncio
import re
import traceback
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import structlog

from fluxhouse.catalog.parsing import Parsed
from fluxhouse.core.feed import StateChanged
from fluxhouse.core.jobs import Job
from fluxhouse.core.keys import Scope
from fluxhouse.core.submit import Refused
from fluxhouse.dialects.dialect import Door
from fluxhouse.dialects.mcp import tools
from fluxhouse.dialects.mcp.answers import DIALECT, JOB_PREFIX, ToolAnswer, refusal, told
from fluxhouse.dialects.submitting import Wanted, place
from fluxhouse.generation.backend import StepDone
from fluxhouse.generation.credits import to_number
from fluxhouse.generation.errors import (
    InvalidParameter,
    NotFound,
    PlatformError,
    RequestRejected,
    UnknownJob,
)
from fluxhouse.generation.request import Task

log = structlog.get_logger()

Arguments = Mapping[str, Any]
Report = Callable[[float, float, str], Awaitable[None]]
"""Takes how much is done, of how much, and what it is."""


_OUR_WORDS = {"input_image": tools.IMAGE, "input_images": tools.REFERENCES}
_JOB_ID = re.compile(rf"{JOB_PREFIX}[0-9a-f]{{32}}")


class Tools:
    """Every tool, over one door."""

    def __init__(self, door: Door) -> None:
        self._door = door

    async def call(self, name: str, arguments: Arguments, key_text: str | None, report: Report) -> ToolAnswer:
        """The tool's answer; what the platform refuses is one too. Raises `NotFound` for a tool that is none."""
        doing = {
            tools.LIST: self._list,
            tools.GENERATE: self._generate,
            tools.EDIT: self._edit,
            tools.STATUS: self._status,
            tools.CANCEL: self._cancel,
        }.get(name)
        if doing is None:
            raise NotFound(f"there is no tool {name!r}")
        try:
            return await doing(arguments, key_text, report)
        except PlatformError as error:
            return refusal(error)
        except Exception as error:
            # The protocol's library would tell the caller its words, such as a whole statement of SQL.
            log.error("mcp_tool_crashed", tool=name, traceback="".join(traceback.format_exception(error)))
            return refusal(PlatformError())

    async def _list(self, arguments: Arguments, key_text: str | None, _report: Report) -> ToolAnswer:
        _only(arguments, ())
        await self._door.authenticate(key_text, Scope.READ)
        serving = self._door.options.serving
        models = [
            {
                "model": model.id,
                "description": model.description,
                "creditsPerImage": to_number(model.price_micro),
                "servedBy": served.backend,
                "input": None if model.input_task is None else model.input_task.value,
            }
            for model in self._door.catalog.models
            if (served := model.served_by(serving)) is not None
        ]
        lines = [f"{entry['model']}: {entry['description']} {entry['creditsPerImage']} credits." for entry in models]
        return ToolAnswer("\n".join(lines) or "No model is served here now.", {"models": models})

    async def _generate(self, arguments: Arguments, key_text: str | None, report: Report) -> ToolAnswer:
        if named := [name for name in (tools.IMAGE, tools.MASK, tools.REFERENCES) if name in arguments]:
            raise InvalidParameter(f"`{named[0]}` belongs to the tool `{tools.EDIT}`.", field=named[0])
        _only(arguments, tools.MAKING)
        return await self._make(Task.GENERATE, arguments, key_text, report)

    async def _edit(self, arguments: Arguments, key_text: str | None, report: Report) -> ToolAnswer:
        if arguments.get(tools.IMAGE) is None:
            raise InvalidParameter(f"`{tools.IMAGE}` is required.", field=tools.IMAGE)
        _only(arguments, tools.EDITING)
        task = Task.FILL if arguments.get(tools.MASK) is not None else Task.EDIT
        return await self._make(task, arguments, key_text, report)

    async def _make(self, task: Task, arguments: Arguments, key_text: str | None, report: Report) -> ToolAnswer:
        seconds = _seconds(arguments)
        several = arguments.get(tools.REFERENCES) is not None
        model = tools.chosen(
            self._door.catalog, self._door.options.serving, task, arguments.get("model"), with_references=several
        )
        answer = await place(self._door, key_text, DIALECT, model, lambda: self._wanted(model, arguments))
        if isinstance(answer, Refused):
            return refusal(answer.error)
        try:
            job = await self._followed(answer.job, seconds, report)
        except asyncio.CancelledError:
            # The client took its call back or went away: nobody knows the job's id.
            await asyncio.shield(self._door.abandon(answer.job))
            raise
        return await told(self._door, job)

    def _wanted(self, model: str, arguments: Arguments) -> Wanted:
        body = {name: value for name, value in arguments.items() if name not in ("model", tools.WAIT)}
        entry = self._door.catalog.model(model)
        if tools.IMAGE in body and entry.input_task is not Task.FILL:
            if entry.input_task is None:
                raise InvalidParameter(f"`{model}` takes no image.", field=tools.IMAGE)
            body["input_image"] = body.pop(tools.IMAGE)
        if (references := body.pop(tools.REFERENCES, None)) is not None:
            body["input_images"] = _all_read(body, references)
        parsed: Parsed = _in_our_words(lambda: self._door.catalog.parse(model, body))
        return Wanted(
            serving=parsed.serving.id,
            price_micro=parsed.price_micro,
            count=parsed.count,
            input_values=[(_OUR_WORDS.get(name, name), value) for name, value in parsed.input_values],
            loras=parsed.loras,
            make=parsed.request,
            webhook_url=None,
            webhook_field="",
        )

    async def _followed(self, job: Job, seconds: float, report: Report) -> Job:
        """The job once it has ended or the time is over; its steps are reported as they come."""
        telling = asyncio.create_task(self._tell_steps(job, report))
        try:
            return await self._door.wait(job.id, seconds)
        finally:
            telling.cancel()
            await asyncio.gather(telling, return_exceptions=True)

    async def _tell_steps(self, job: Job, report: Report) -> None:
        done: dict[int, int] = {}
        with self._door.feed.subscribe(job.id) as hints:
            while True:
                hint = await hints.get()
                if isinstance(hint, StepDone):
                    done[hint.index] = hint.step
                    total = hint.steps * job.request.count
                    await report(sum(done.values()), total, f"image {hint.index + 1}, step {hint.step} of {hint.steps}")
                elif isinstance(hint, StateChanged) and not done:
                    await report(0, 1, "started")

    async def _status(self, arguments: Arguments, key_text: str | None, _report: Report) -> ToolAnswer:
        caller = await self._door.authenticate(key_text, Scope.READ)
        return await told(self._door, await self._door.job(caller, _job_id(arguments)))

    async def _cancel(self, arguments: Arguments, key_text: str | None, _report: Report) -> ToolAnswer:
        caller = await self._door.authenticate(key_text, Scope.RUN)
        return await told(self._door, await self._door.cancel(caller, _job_id(arguments)))


def _all_read(body: dict[str, Any], references: object) -> object:
    """The image, taken out of `body`, and those that are read beside it, as the catalog has them: all in one list."""
    if not isinstance(references, list):
        raise InvalidParameter(f"`{tools.REFERENCES}` is an array of images.", field=tools.REFERENCES)
    return [body.pop("input_image", body.get("image")), *references]


def _in_our_words(parse: Callable[[], Parsed]) -> Parsed:
    """What `parse` gives; its errors name the tool's `image` where the catalog says `input_image`."""
    try:
        return parse()
    except RequestRejected as error:
        word = _OUR_WORDS.get(error.field or "")
        if word is None:
            raise
        raise type(error)(error.message.replace(f"`{error.field}`", f"`{word}`"), field=word) from None


def _seconds(arguments: Arguments) -> float:
    seconds = arguments.get(tools.WAIT, tools.USUAL_SECONDS)
    if isinstance(seconds, bool) or not isinstance(seconds, int) or not 0 <= seconds <= tools.MOST_SECONDS:
        raise InvalidParameter(f"`{tools.WAIT}` is an integer from 0 to {tools.MOST_SECONDS}.", field=tools.WAIT)
    return float(seconds)


def _job_id(arguments: Arguments) -> str:
    _only(arguments, ("job_id",))
    text = arguments.get("job_id")
    if not isinstance(text, str) or not _JOB_ID.fullmatch(text):
        raise UnknownJob
    return text.removeprefix(JOB_PREFIX)


def _only(arguments: Arguments, known: tuple[str, ...]) -> None:
    for name in arguments:
        if name not in known:
            takes = f"it takes {', '.join(known)}" if known else "it takes none"
            raise InvalidParameter(f"`{name}` is no argument of this tool; {takes}.", field=name)

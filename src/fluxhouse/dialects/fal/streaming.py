"""A request as server-sent events: its statuses, or its picture as it comes into being and its output at the end."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from typing import Any

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from fluxhouse.core import queue
from fluxhouse.core.feed import Hint, StateChanged
from fluxhouse.core.jobs import Job, JobState
from fluxhouse.dialects.dialect import Door
from fluxhouse.dialects.fal import results
from fluxhouse.dialects.fal.problems import Ending, failure_of, worded
from fluxhouse.generation.backend import Preview, StepDone
from fluxhouse.generation.errors import PlatformError

MEDIA_TYPE = "text/event-stream"
HEADERS = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
# A hint may be lost; the row is the truth. And clients give up where nothing comes for fifteen seconds.
_REREAD_SECONDS = 3.0
_COMMENT = ": still there\n\n"


async def statuses(door: Door, job: Job, *, with_logs: bool) -> AsyncGenerator[str, None]:
    """One event for each change until the request has ended; its logs are those that no event before it had."""
    last: tuple[object, ...] | None = None
    said: set[str] = set()
    async with aclosing(_followed(door, job, (StepDone,) if with_logs else ())) as following:
        async for job, _hint in following:
            position = await _position(door, job)
            body = results.status(door, job, position, with_logs=with_logs)
            fresh = [line for line in body.get("logs") or () if line["message"] not in said]
            said.update(line["message"] for line in fresh)
            if (body["status"], position) == last and not fresh:
                yield _COMMENT
                continue
            last = (body["status"], position)
            yield _event(body | {"logs": fresh} if with_logs and "logs" in body else body)


class RunStream(Response):
    """One request's pictures; a client that hangs up cancels the request, unless it is `kept` for a repeat."""

    media_type = MEDIA_TYPE

    def __init__(self, door: Door, job: Job, headers: Mapping[str, str], *, kept: bool) -> None:
        super().__init__(headers={**HEADERS, **headers})
        del self.headers["content-length"]
        self._door = door
        self._job = job
        self._kept = kept

    async def __call__(self, _scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})
        left = await self._door.while_connected(receive, self._job, self._tell(send), kept=self._kept)
        if left is not None and not left.state.terminal and not self._kept:
            await self._door.abandon(left)

    async def _tell(self, send: Send) -> Job:
        """Send every event; the job as it was left."""
        job = self._job
        async with aclosing(_followed(self._door, job, (Preview,))) as following:
            async for job, hint in following:
                text = _preview(job, hint) if isinstance(hint, Preview) else await self._rest(job)
                await send({"type": "http.response.body", "body": text.encode(), "more_body": True})
        await send({"type": "http.response.body", "body": b""})
        return job

    async def _rest(self, job: Job) -> str:
        """The end, where it has come."""
        if not job.state.terminal:
            return _event(worded(Ending())[1]) if self._door.feed.closed else _COMMENT
        try:
            failed = failure_of(job)
            if failed is not None:
                raise failed
            return _event(await results.result(self._door, job))
        except PlatformError as error:
            return _event(worded(error)[1])


async def _followed(
    door: Door, job: Job, kinds: tuple[type[Hint], ...]
) -> AsyncGenerator[tuple[Job, Hint | None], None]:
    """The job at once, whenever it changes, at least every three seconds, and with each hint of these kinds.

    The last one has ended, or is what there is when this process ends. Subscribed before it reads, so that no change
    falls in between.
    """
    loop = asyncio.get_running_loop()
    with door.feed.subscribe(job.id) as hints:
        while True:
            job, until = await door.any_job(job.id), loop.time() + _REREAD_SECONDS
            yield job, None
            if job.state.terminal or door.feed.closed:
                return
            while (hint := await _next(hints, until, kinds)) is not None:
                yield job, hint


async def _next(hints: asyncio.Queue[Hint], until: float, kinds: tuple[type[Hint], ...]) -> Hint | None:
    """The next hint of these kinds; None where the job's state changes first, or it is time to read again."""
    while until > asyncio.get_running_loop().time():
        try:
            async with asyncio.timeout_at(until):
                hint = await hints.get()
        except TimeoutError:
            return None
        if isinstance(hint, StateChanged):
            return None
        if isinstance(hint, kinds):
            return hint
    return None


async def _position(door: Door, job: Job) -> int | None:
    if job.state is not JobState.QUEUED:
        return None
    return await door.database.read(lambda connection: queue.position(connection, job.id))


def _preview(job: Job, preview: Preview) -> str:
    url = "data:image/jpeg;base64," + base64.b64encode(preview.content).decode()
    images = [{"url": url, "content_type": "image/jpeg"}]
    return _event({"images": images, "seed": job.request.image_seed(preview.index), "prompt": job.request.prompt})


def _event(body: Mapping[str, Any]) -> str:
    return f"data: {json.dumps(body, ensure_ascii=False, separators=(',', ':'))}\n\n"

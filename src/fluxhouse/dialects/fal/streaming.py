"""A request as server-sent events: its statuses, or its picture as it comes into being and its output at the end."""

from __future__ import annotations

import base64
import json
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from typing import Any

from fluxhouse.core import queue
from fluxhouse.core.jobs import Job, JobState
from fluxhouse.dialects.dialect import Door
from fluxhouse.dialects.fal import results
from fluxhouse.dialects.fal.problems import Ending, failure_of, worded
from fluxhouse.dialects.streaming import followed
from fluxhouse.generation.backend import Preview, StepDone
from fluxhouse.generation.errors import PlatformError

_COMMENT = ": still there\n\n"  # clients give up where nothing comes for fifteen seconds


async def statuses(door: Door, job: Job, *, with_logs: bool) -> AsyncGenerator[str, None]:
    """One event for each change until the request has ended; its logs are those that no event before it had."""
    last: tuple[object, ...] | None = None
    said: set[str] = set()
    async with aclosing(followed(door, job, (StepDone,) if with_logs else ())) as following:
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


async def pictures(door: Door, job: Job) -> AsyncGenerator[tuple[Job, str], None]:
    """The request's picture as it comes into being, and its output or what went wrong at the end."""
    async with aclosing(followed(door, job, (Preview,))) as following:
        async for job, hint in following:
            yield job, _preview(job, hint) if isinstance(hint, Preview) else await _rest(door, job)


async def _rest(door: Door, job: Job) -> str:
    """The end, where it has come."""
    if not job.state.terminal:
        return _event(worded(Ending())[1]) if door.feed.closed else _COMMENT
    try:
        failed = failure_of(job)
        if failed is not None:
            raise failed
        return _event(await results.result(door, job))
    except PlatformError as error:
        return _event(worded(error)[1])


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

"""A job's life as server-sent events: status (numbered, resumable), step, preview, image; status comes last."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import AsyncIterator, Mapping
from typing import Any

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from fluxhouse.core import events, jobs
from fluxhouse.core.events import JobEvent
from fluxhouse.core.feed import Hint, ImageReady, StateChanged
from fluxhouse.core.jobs import Job, JobState
from fluxhouse.core.keys import Scope
from fluxhouse.dialects.dialect import Door
from fluxhouse.dialects.native import bodies
from fluxhouse.dialects.native.reading import bearer
from fluxhouse.dialects.wire import instant
from fluxhouse.generation.backend import Preview, StepDone

_STEP_SECONDS = 0.25  # at most four steps a second are told
_KEEP_ALIVE_SECONDS = 15.0
_REREAD_SECONDS = 3.0  # a hint may be lost; the rows are the truth


class Events:
    """`GET /api/v1/jobs/{job}/events`."""

    def __init__(self, door: Door) -> None:
        self._door = door

    async def stream(self, request: Request) -> Response:
        """The events after `Last-Event-ID`, until the job has ended; 204 for a client that has seen the end."""
        text = request.path_params["job"]
        job, newest = await self._door.ask(
            bearer(request),
            Scope.READ,
            lambda connection, caller: (
                (job := jobs.owned(connection, bodies.job_id_of(text), caller.account.id)),
                events.newest(connection, job.id),
            ),
        )
        last = request.headers.get("last-event-id", "")
        # An id that was never given out means no more than the last one that was.
        seen = min(int(last), newest.number) if last.isascii() and last.isdigit() and len(last) < 19 else 0
        headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
        if newest.state.terminal and seen == newest.number:
            return Response(status_code=204, headers=headers)  # tells an EventSource to come no more
        if request.method == "HEAD":
            return Response(b"", 200, headers, "text/event-stream")
        return StreamingResponse(Follower(self._door, job, seen).told(), 200, headers, "text/event-stream")


class Follower:
    """One client's view of a job: which numbered event it saw last, and when it was told of a step."""

    def __init__(self, door: Door, job: Job, seen: int) -> None:
        self._door = door
        self._job = job
        self._seen = seen
        self._step_at = 0.0
        self._told_at = 0.0

    async def told(self) -> AsyncIterator[str]:
        """The stream's text, event by event. Subscribed before it reads, so that no change falls in between."""
        with self._door.feed.subscribe(self._job.id) as hints:
            while True:
                new, job = await self._read()
                for event in new:
                    if not event.state.terminal:
                        yield self._said(_status(event))
                        self._seen = event.number
                if job.state.terminal:
                    yield self._final(new, job)
                    return
                if self._door.feed.closed:
                    return  # Whoever follows comes back with the last id, to another process.
                async for text in self._hinted(hints):
                    yield self._said(text)

    async def _read(self) -> tuple[list[JobEvent], Job]:
        job_id = self._job.id
        return await self._door.database.read(
            lambda connection: (events.since(connection, job_id, self._seen), jobs.get(connection, job_id))
        )

    def _final(self, new: list[JobEvent], job: Job) -> str:
        number = max((event.number for event in new), default=self._seen)
        return _event("status", bodies.job_body(self._door, job), number)

    async def _hinted(self, hints: asyncio.Queue[Hint]) -> AsyncIterator[str]:
        """What hints tell until the job's state changes, or until it is time to read again."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + _REREAD_SECONDS
        while (left := deadline - loop.time()) > 0:
            try:
                async with asyncio.timeout(left):
                    hint = await hints.get()
            except TimeoutError:
                break
            if isinstance(hint, StateChanged):
                return
            if (text := self._worded(hint)) is not None:
                yield text
        if loop.time() - self._told_at >= _KEEP_ALIVE_SECONDS:
            yield ": keep-alive\n\n"

    def _worded(self, hint: StepDone | Preview | ImageReady) -> str | None:
        match hint:
            case StepDone(index, step, steps):
                now = asyncio.get_running_loop().time()
                if now - self._step_at < _STEP_SECONDS and step < steps:
                    return None
                self._step_at = now
                return _event("step", {"image": index, "step": step, "steps": steps})
            case Preview(index, step, content):
                picture = f"data:image/jpeg;base64,{base64.b64encode(content).decode()}"
                return _event("preview", {"image": index, "step": step, "preview": picture})
            case ImageReady(index, key):
                return _event("image", {"image": index, "url": self._door.signer.sign(key, self._job.expires_at)})

    def _said(self, text: str) -> str:
        self._told_at = asyncio.get_running_loop().time()
        return text


def _status(event: JobEvent) -> str:
    body = {
        "jobId": bodies.spelled(event.job_id),
        "status": bodies.STATUSES[JobState(event.state)],
        "attempt": event.attempt,
        "at": instant(event.at),
    }
    return _event("status", body, event.number)


def _event(name: str, body: Mapping[str, Any], number: int | None = None) -> str:
    """One event on the wire; only what stands in a row has a number that a client can come back with."""
    numbered = "" if number is None else f"id: {number}\n"
    return f"{numbered}event: {name}\ndata: {json.dumps(body, ensure_ascii=False, separators=(',', ':'))}\n\n"

"""A prediction as server-sent events: each output's address, an error if there is one, and that it is done."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterator, Mapping
from typing import Any

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from fluxhouse.core.jobs import Job, JobState
from fluxhouse.dialects.dialect import Door
from fluxhouse.dialects.replicate.addresses import stream_key
from fluxhouse.dialects.replicate.polling import job_id_in
from fluxhouse.dialects.replicate.predictions import error_of, output_urls

_KEEP_ALIVE_SECONDS = 15.0
_REASONS: Mapping[JobState, str] = {JobState.FAILED: "error", JobState.CANCELLED: "canceled"}
_FAILED = "The prediction failed."


class Streaming:
    """`GET /v1/files/{prediction}/stream`: who holds the address may follow, without a key."""

    def __init__(self, door: Door) -> None:
        self._door = door

    async def stream(self, request: Request) -> Response:
        """The events that a client has not seen; raises `UnknownFile` for a signature that is not ours, `Gone` late."""
        job_id, query = job_id_in(request), request.query_params
        expires, signature = query.get("expires", ""), query.get("signature", "")
        self._door.signer.check(stream_key(job_id), expires, signature, self._door.clock.now())
        job = await self._door.any_job(job_id)
        headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
        events = self._followed(job, _seen(request))
        return StreamingResponse(events, 200, headers, "text/event-stream")

    async def _followed(self, job: Job, seen: int) -> AsyncIterator[str]:
        """Comments while it lasts, so that no client takes the silence for the end of the connection."""
        while not job.state.terminal:
            job = await self._door.wait(job.id, _KEEP_ALIVE_SECONDS)
            if job.state.terminal:
                break
            if self._door.feed.closed:
                return  # Whoever follows comes back, to another process.
            yield ": keep-alive\n\n"
        for number, (name, content) in enumerate(self._events(job), start=1):
            if number > seen:
                # Clients take no notice of an event without an id.
                yield f"id: {int(job.created_at.timestamp())}:{number}\nevent: {name}\ndata: {content}\n\n"

    def _events(self, job: Job) -> Iterator[tuple[str, str]]:
        if not job.is_gone(self._door.clock.now()):
            yield from (("output", url) for url in output_urls(self._door, job))
        if job.state is JobState.FAILED:
            yield "error", _json({"detail": error_of(job) or _FAILED})
        reason = _REASONS.get(job.state)
        yield "done", _json({} if reason is None else {"reason": reason})


def _seen(request: Request) -> int:
    """How many events the client says that it has had."""
    number = request.headers.get("last-event-id", "").rpartition(":")[2]
    return int(number) if number.isascii() and number.isdigit() and len(number) < 10 else 0


def _json(body: Mapping[str, Any]) -> str:
    return json.dumps(body, ensure_ascii=False, separators=(",", ":"))

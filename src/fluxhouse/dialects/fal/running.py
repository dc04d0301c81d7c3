"""Runs that answer with the output itself, or with a stream that ends with it."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from fluxhouse.core.submit import Refused, Submitted
from fluxhouse.dialects.dialect import Door
from fluxhouse.dialects.fal import results
from fluxhouse.dialects.fal.problems import Ending, TookTooLong, failure, failure_of
from fluxhouse.dialects.fal.streaming import pictures
from fluxhouse.dialects.fal.submitting import endpoint_of, said_with, taken_in
from fluxhouse.dialects.streaming import JobStream
from fluxhouse.dialects.wire import refuse_query

_STREAM = "/stream"
_LONGEST_SECONDS = 3600.0


class Runs:
    """`POST /fal/run/<endpoint>` and `POST /fal/run/<endpoint>/stream`."""

    def __init__(self, door: Door) -> None:
        self._door = door

    async def run(self, request: Request) -> Response:
        """Take a request in and answer when it has ended; a client that hangs up cancels it."""
        refuse_query(request)
        named: str = request.path_params["endpoint"]
        endpoint = endpoint_of(named.removesuffix(_STREAM))
        answer = await taken_in(self._door, request, endpoint)
        headers = said_with(self._door, answer)
        if isinstance(answer, Refused):
            return failure(answer.error, headers)
        # Who sent an idempotency key may come again, and others with it: they must find the request.
        kept = "idempotency-key" in request.headers
        if named.endswith(_STREAM):
            return JobStream(self._door, answer.job, pictures(self._door, answer.job), headers, kept=kept)
        return await self._ended(request, answer, headers, kept=kept)

    async def _ended(self, request: Request, taken: Submitted, headers: dict[str, str], *, kept: bool) -> Response:
        door = self._door
        job = await door.wait_connected(request.receive, taken.job, _LONGEST_SECONDS, kept=kept)
        if job is None:
            return Response(status_code=202)  # nobody reads it
        if not job.state.terminal:
            if not kept:
                await door.abandon(job)
            return failure(Ending() if door.feed.closed else TookTooLong(), headers)
        failed = failure_of(job)
        if failed is not None:
            return failure(failed, headers)
        return JSONResponse(await results.result(door, job), headers={"Cache-Control": "no-store", **headers})

"""The queue: submit to an endpoint, ask for the status or follow it, fetch the result, cancel."""

from __future__ import annotations

from sqlalchemy import Connection
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse

from fluxhouse.core import jobs, queue
from fluxhouse.core.jobs import Job, JobState
from fluxhouse.core.keys import Caller, Scope
from fluxhouse.core.submit import Refused
from fluxhouse.dialects.answering import as_uuid, of_uuid
from fluxhouse.dialects.dialect import Door
from fluxhouse.dialects.fal import results, streaming, wishes
from fluxhouse.dialects.fal.fields import Endpoint
from fluxhouse.dialects.fal.problems import StillRunning, failure, failure_of
from fluxhouse.dialects.fal.spelling import DIALECT, ENDPOINT, REQUEST_ID, addresses, app_of
from fluxhouse.dialects.fal.submitting import endpoint_of, key_of, said_with, taken_in
from fluxhouse.dialects.streaming import HEADERS, MEDIA_TYPE
from fluxhouse.dialects.wire import refuse_query
from fluxhouse.generation.errors import JobAlreadyEnded, RateLimited, UnknownJob

_NOT_CACHED = {"Cache-Control": "no-store"}
_LOGS = "logs"


class Queue:
    """`POST /fal/queue/<endpoint>` and what stands below `/fal/queue/<app>/requests/<request>`."""

    def __init__(self, door: Door) -> None:
        self._door = door

    async def submit(self, request: Request) -> Response:
        """Take a request in."""
        refuse_query(request, (wishes.WEBHOOK, wishes.MAX_QUEUE_LENGTH))
        door, endpoint = self._door, endpoint_of(request.path_params["endpoint"])
        answer = await self._too_many(request, endpoint) or await taken_in(door, request, endpoint)
        headers = said_with(door, answer)
        if isinstance(answer, Refused):
            return failure(answer.error, headers)
        job = answer.job
        position = await door.database.read(lambda connection: queue.position(connection, job.id))
        body = {**addresses(door, job), "gateway_request_id": as_uuid(job.id)}
        return JSONResponse({"status": results.IN_QUEUE, **body, "queue_position": position or 0}, headers=headers)

    async def status(self, request: Request) -> Response:
        """How a request stands: 202 until it has ended."""
        with_logs = _wants_logs(request)
        job, position = await self._door.ask(key_of(request), Scope.READ, lambda c, caller: _placed(c, caller, request))
        body = results.status(self._door, job, position, with_logs=with_logs)
        return JSONResponse(body, 200 if job.state.terminal else 202, _NOT_CACHED | {REQUEST_ID: as_uuid(job.id)})

    async def follow(self, request: Request) -> Response:
        """The same as server-sent events, one for each change, with the logs that are new."""
        with_logs = _wants_logs(request)
        job = await self._owned(request)
        events = streaming.statuses(self._door, job, with_logs=with_logs)
        headers = {**HEADERS, REQUEST_ID: as_uuid(job.id)}
        return StreamingResponse(events, 200, headers, MEDIA_TYPE)

    async def result(self, request: Request) -> Response:
        """The output, or why there is none, with that error's own status."""
        refuse_query(request)
        job = await self._owned(request)
        headers = {REQUEST_ID: as_uuid(job.id)}
        if not job.state.terminal:
            return failure(StillRunning(), headers)
        failed = failure_of(job)
        if failed is not None:
            return failure(failed, headers)
        return JSONResponse(await results.result(self._door, job), headers=_NOT_CACHED | headers)

    async def cancel(self, request: Request) -> Response:
        """Ask a request to stop."""
        refuse_query(request)
        caller, job = await self._door.ask(
            key_of(request), Scope.RUN, lambda c, caller: (caller, _owned(c, caller, request))
        )
        try:
            await self._door.cancel(caller, job.id)
        except JobAlreadyEnded:
            return JSONResponse({"status": "ALREADY_COMPLETED"}, 400, {REQUEST_ID: as_uuid(job.id)})
        return JSONResponse({"status": "CANCELLATION_REQUESTED"}, 202, {REQUEST_ID: as_uuid(job.id)})

    async def _owned(self, request: Request) -> Job:
        return await self._door.ask(key_of(request), Scope.READ, lambda c, caller: _owned(c, caller, request))

    async def _too_many(self, request: Request, endpoint: Endpoint) -> Refused | None:
        """The refusal of a request that would wait behind more others than it wants to."""
        longest = wishes.longest_queue(request)
        if longest is None:
            return None
        caller = await self._door.authenticate(key_of(request), None)
        depths = await self._door.database.read(queue.depths)
        waiting = sum(depth.waiting for depth in depths if depth.model == endpoint.model)
        if waiting <= longest:
            return None
        message = f"{waiting} requests wait, which is more than `{wishes.MAX_QUEUE_LENGTH}` allows."
        return await self._door.refuse(caller, endpoint.model, RateLimited(message))


def _owned(connection: Connection, caller: Caller, request: Request) -> Job:
    """The caller's request of the app in the path; raises `UnknownJob`."""
    job = jobs.owned(connection, of_uuid(request.path_params["request"]), caller.account.id)
    if job.dialect != DIALECT or app_of(job.terms.remarks[ENDPOINT]) != app_of(request.path_params["endpoint"]):
        raise UnknownJob
    return job


def _placed(connection: Connection, caller: Caller, request: Request) -> tuple[Job, int | None]:
    job = _owned(connection, caller, request)
    return job, queue.position(connection, job.id) if job.state is JobState.QUEUED else None


def _wants_logs(request: Request) -> bool:
    refuse_query(request, (_LOGS,))
    return request.query_params.get(_LOGS, "").lower() in ("1", "true")

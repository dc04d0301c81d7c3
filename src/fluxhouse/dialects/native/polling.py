"""Jobs by their id and as a list: how they stand, cancelling them, removing their output."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from fluxhouse.core import job_search, jobs, queue
from fluxhouse.core.cursors import cursor_of
from fluxhouse.core.job_search import Search
from fluxhouse.core.jobs import JobState
from fluxhouse.core.keys import Scope
from fluxhouse.dialects.dialect import Door
from fluxhouse.dialects.native import bodies
from fluxhouse.dialects.native.reading import bearer, number_in
from fluxhouse.dialects.wire import cursor_in
from fluxhouse.generation.errors import Conflict, Gone, InvalidParameter

_STATES = {status: state for state, status in bodies.STATUSES.items()}
PAGE = 20
LONGEST_PAGE = 100


class Polling:
    """`GET` and `DELETE /api/v1/jobs/{job}`, `DELETE .../output`, `GET /api/v1/jobs`."""

    def __init__(self, door: Door) -> None:
        self._door = door

    async def get(self, request: Request) -> Response:
        """The job as it stands."""
        text = request.path_params["job"]
        job, position = await self._door.ask(
            bearer(request),
            Scope.READ,
            lambda connection, caller: (
                (job := jobs.owned(connection, bodies.job_id_of(text), caller.account.id)),
                queue.position(connection, job.id) if job.state is JobState.QUEUED else None,
            ),
        )
        return JSONResponse(bodies.job_body(self._door, job, position))

    async def list(self, request: Request) -> Response:
        """A page of the account's jobs, newest first."""
        caller = await self._door.authenticate(bearer(request), Scope.READ)
        limit = number_in(request, "limit", PAGE, 1, LONGEST_PAGE)
        search = Search(model=request.query_params.get("model"), states=_states_in(request), before=cursor_in(request))
        found = await self._door.database.read(
            lambda connection: job_search.found(connection, caller.account.id, search, limit + 1)
        )
        page = found[:limit]
        more = cursor_of(page[-1].created_at, page[-1].id) if len(found) > limit else None
        return JSONResponse({"jobs": [bodies.job_body(self._door, job) for job in page], "nextCursor": more})

    async def cancel(self, request: Request) -> Response:
        """Cancel the job: at once where it waits, at its next step where it runs."""
        caller = await self._door.authenticate(bearer(request), Scope.RUN)
        job = await self._door.cancel(caller, bodies.job_id_of(request.path_params["job"]))
        return JSONResponse(bodies.job_body(self._door, job))

    async def remove_output(self, request: Request) -> Response:
        """Delete an ended job's pictures before they expire; the job itself stays."""
        door = self._door
        caller = await door.authenticate(bearer(request), Scope.RUN)
        job = await door.job(caller, bodies.job_id_of(request.path_params["job"]))
        if not job.state.terminal:
            raise Conflict("the job has not ended yet: cancel it first")
        if job.is_gone(door.clock.now()):
            raise Gone
        await door.remove_output(job)
        return JSONResponse(bodies.job_body(door, await door.job(caller, job.id)))


def _states_in(request: Request) -> tuple[JobState, ...]:
    status = request.query_params.get("status")
    if status is None:
        return ()
    if status not in _STATES:
        raise InvalidParameter(f"`status` must be one of {', '.join(_STATES)}", field="status")
    return (_STATES[status],)

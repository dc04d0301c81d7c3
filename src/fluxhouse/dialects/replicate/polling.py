"""Predictions by their id and as a list, and cancelling them."""

from __future__ import annotations

from datetime import UTC, datetime
from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from fluxhouse.core import job_search, jobs
from fluxhouse.core.cursors import cursor_of
from fluxhouse.core.job_search import Search
from fluxhouse.core.keys import Scope
from fluxhouse.dialects.dialect import Door
from fluxhouse.dialects.replicate.addresses import Addresses
from fluxhouse.dialects.replicate.creating import token_in
from fluxhouse.dialects.replicate.predictions import prediction
from fluxhouse.dialects.replicate.spelling import own_id
from fluxhouse.dialects.wire import cursor_in
from fluxhouse.generation.errors import InvalidParameter, JobAlreadyEnded, UnknownJob

PAGE = 100
_STOP_SECONDS = 2.0  # in which a running prediction reaches its next step, as a rule
_NOT_CACHED = {"Cache-Control": "no-store"}
LIST_PARAMETERS = ("created_after", "created_before", "source", "cursor")


class Polling:
    """`GET .../predictions[/{prediction}]`, `POST .../predictions/{prediction}/cancel`."""

    def __init__(self, door: Door) -> None:
        self._door = door
        self._addresses = Addresses(door)

    async def get(self, request: Request) -> Response:
        """The prediction as it stands; raises `UnknownJob`."""
        job_id = job_id_in(request)
        job = await self._door.ask(
            token_in(request), Scope.READ, lambda connection, caller: jobs.owned(connection, job_id, caller.account.id)
        )
        return JSONResponse(prediction(self._door, job), headers=_NOT_CACHED)

    async def cancel(self, request: Request) -> Response:
        """The prediction once it has stopped, or as it stands when it takes its time; an ended one stays as it is."""
        caller = await self._door.authenticate(token_in(request), Scope.RUN)
        job_id = job_id_in(request)
        try:
            await self._door.cancel(caller, job_id)
        except JobAlreadyEnded:
            return JSONResponse(prediction(self._door, await self._door.job(caller, job_id)), headers=_NOT_CACHED)
        after = await self._door.wait(job_id, _STOP_SECONDS)
        return JSONResponse(prediction(self._door, after), headers=_NOT_CACHED)

    async def list(self, request: Request) -> Response:
        """A page of the account's predictions, newest first; `next` is the address of the page after it."""
        caller = await self._door.authenticate(token_in(request), Scope.READ)
        after, before = _moment_in(request, "created_after"), _moment_in(request, "created_before")
        if request.query_params.get("source") not in (None, "web"):
            raise InvalidParameter("`source` may only be web.", field="source")
        search = Search(since=after, until=before, before=cursor_in(request))
        found = await self._door.database.read(
            lambda connection: job_search.found(connection, caller.account.id, search, PAGE + 1)
        )
        page, more = found[:PAGE], len(found) > PAGE
        following = None if not more else self._page_after(request, cursor_of(page[-1].created_at, page[-1].id))
        if "source" in request.query_params:
            page, following = [], None  # here every prediction comes by the API
        results = [prediction(self._door, job) for job in page]
        return JSONResponse({"previous": None, "next": following, "results": results}, headers=_NOT_CACHED)

    def _page_after(self, request: Request, cursor: str) -> str:
        kept = {name: value for name, value in request.query_params.items() if name == "created_after"}
        return self._addresses.at(f"{request.url.path}?{urlencode({**kept, 'cursor': cursor})}")


def job_id_in(request: Request) -> str:
    """The job behind the path's prediction; raises `UnknownJob`."""
    found = own_id(request.path_params["prediction"])
    if found is None:
        raise UnknownJob
    return found


def _moment_in(request: Request, name: str) -> datetime | None:
    text = request.query_params.get(name)
    if text is None:
        return None
    try:
        found = datetime.fromisoformat(text)
        return (found if found.tzinfo else found.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError):
        message = f"`{name}` must be a moment such as 2025-01-23T12:00:00Z."
        raise InvalidParameter(message, field=name) from None

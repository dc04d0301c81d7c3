"""BFL's routes: submit to a model, ask how a task stands, and what credits are left."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from fluxhouse.core import jobs, ledger
from fluxhouse.core.jobs import Job, JobState
from fluxhouse.core.keys import Scope
from fluxhouse.core.submit import Refused
from fluxhouse.dialects.answering import address, as_uuid, of_uuid, submit_headers
from fluxhouse.dialects.bfl import answers
from fluxhouse.dialects.bfl.asking import Asking
from fluxhouse.dialects.bfl.fields import ENDPOINTS, Endpoint
from fluxhouse.dialects.dialect import Door
from fluxhouse.dialects.submitting import Accent, take_in
from fluxhouse.dialects.wire import refuse_query
from fluxhouse.generation.credits import to_number
from fluxhouse.generation.errors import InvalidParameter, UnknownJob

DIALECT = "bfl"
PREFIXES = ("/bfl/",)
RESULT_PATH = "/bfl/v1/get_result"
_NOT_CACHED = {"Cache-Control": "no-store"}
_MEGA = 1_000_000


def routes(door: Door) -> list[BaseRoute]:
    """Every route of the dialect."""
    asking = Tasks(door)
    return [
        Route(RESULT_PATH, asking.result, methods=["GET"]),
        Route("/bfl/v1/credits", asking.credits, methods=["GET"]),
        *(Route(f"/bfl/v1/{one.name}", Submitting(door, one).submit, methods=["POST"]) for one in ENDPOINTS),
    ]


class Submitting:
    """`POST /bfl/v1/<model>` of one model."""

    def __init__(self, door: Door, endpoint: Endpoint) -> None:
        self._door = door
        self._accent = Accent(DIALECT, endpoint.model, Asking(door, endpoint).wanted)

    async def submit(self, request: Request) -> Response:
        """Take a task in."""
        refuse_query(request)
        door = self._door
        answer = await take_in(door, request, _key(request), self._accent)
        headers = submit_headers(door, answer, as_uuid)
        if isinstance(answer, Refused):
            return answers.failure(answer.error, headers)
        job = answer.job
        task_id = as_uuid(job.id)
        url = address(door, f"{RESULT_PATH}?id={task_id}")
        body = {"id": task_id, "polling_url": url, "cost": to_number(job.hold_micro)}
        body["output_mp"] = job.request.width * job.request.height / _MEGA
        if (webhook_url := job.terms.remarks.get(answers.WEBHOOK_URL)) is not None:
            body |= {"status": answers.PENDING, "webhook_url": webhook_url}
        return JSONResponse(body, headers=headers)


class Tasks:
    """Says how tasks and the account stand."""

    def __init__(self, door: Door) -> None:
        self._door = door

    async def result(self, request: Request) -> Response:
        """`GET /bfl/v1/get_result?id=`: without a key the id alone is enough, with one the owner is checked."""
        refuse_query(request, ("id",))
        task_id = request.query_params.get("id")
        if task_id is None:
            raise InvalidParameter("`id` is required.", field="id")
        key = _key(request)
        job = await (self._owned(key, task_id) if key else self._keyless(task_id))
        return JSONResponse(answers.task(job, _urls(self._door, job), self._progress(job)), headers=_NOT_CACHED)

    async def credits(self, request: Request) -> Response:
        """`GET /bfl/v1/credits`: what a new task may cost at most."""
        balance = await self._door.ask(
            _key(request), Scope.READ, lambda connection, caller: ledger.balance(connection, caller.account.id)
        )
        return JSONResponse({"credits": to_number(balance.available_micro)}, headers=_NOT_CACHED)

    async def _owned(self, key: str, task_id: str) -> Job:
        return await self._door.ask(
            key,
            Scope.READ,
            lambda connection, caller: jobs.owned(connection, of_uuid(task_id), caller.account.id),
        )

    async def _keyless(self, task_id: str) -> Job:
        """Only a job that came in here: in other dialects an id was never a secret that opens anything."""
        job = await self._door.any_job(of_uuid(task_id))
        if job.dialect != DIALECT:
            raise UnknownJob
        return job

    def _progress(self, job: Job) -> float | None:
        """How far a running task is, from 0 to 1."""
        newest = self._door.feed.step(job.id) if job.state is JobState.RUNNING else None
        return None if newest is None else newest.step / newest.steps


def told(door: Door, job: Job) -> Mapping[str, Any]:
    """What an ended task's webhook tells."""
    return answers.message(job, _urls(door, job))


def _urls(door: Door, job: Job) -> list[str]:
    return [door.output_url(job, image) for image in job.images]


def _key(request: Request) -> str | None:
    return request.headers.get("x-key")

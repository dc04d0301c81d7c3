"""Pixazo's routes: submit in two operations, poll in two generations, and its words for what is not there."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route
from starlette.types import Receive, Send
from starlette.types import Scope as AsgiScope

from fluxhouse.catalog.parameter import Parameter
from fluxhouse.core import jobs
from fluxhouse.core.jobs import Job
from fluxhouse.core.keys import Scope
from fluxhouse.core.submit import Refused
from fluxhouse.dialects import wire
from fluxhouse.dialects.answering import as_uuid, submit_headers
from fluxhouse.dialects.dialect import Door
from fluxhouse.dialects.pixazo import answers
from fluxhouse.dialects.pixazo.openapi import openapi
from fluxhouse.dialects.pixazo.operations import (
    MODEL_ID,
    WEBHOOK_HEADER,
    Operation,
    operations,
    refuse_unknown,
    webhook_parameter,
)
from fluxhouse.dialects.submitting import Accent, Wanted, take_in
from fluxhouse.generation.errors import Gone, InvalidParameter, PlatformError, UnknownJob

DIALECT = "pixazo"
KEY_HEADER = "Ocp-Apim-Subscription-Key"
RESULT_PATH = "/flux-dev-polling/dev/getFluxDevStatus"
STATUS_PATH = "/v2/requests/status/{job}"
DOCUMENT_PATH = "/flux-dev/openapi"
PREFIXES = ("/flux-dev/", "/flux-dev-polling/", "/v2/requests/")

_POLL_BYTES = 16 * 1024
_REQUEST_ID = Parameter(name="request_id", type="string", max_length=100)
_REQUEST_ID_SYNONYM = Parameter(name="requestId", type="string", max_length=100)
_NOT_CACHED = {"Cache-Control": "no-store"}


def routes(door: Door) -> list[BaseRoute]:
    """Every route of the dialect; what else is asked for under its prefixes gets the contract's 404."""
    polling = Polling(door)
    submits = operations(door.catalog.model(MODEL_ID))
    document = openapi(submits, RESULT_PATH, STATUS_PATH, door.options.public_url)

    async def describe(_request: Request) -> Response:
        return JSONResponse(document)

    return [
        Route(DOCUMENT_PATH, Endpoint("GET", describe)),
        *(Route(operation.path, Endpoint("POST", Submitting(door, operation))) for operation in submits),
        Route(RESULT_PATH, Endpoint("POST", polling.result)),
        Route(STATUS_PATH, Endpoint("GET", polling.status)),
        *(Route(f"{prefix}{{rest:path}}", Nowhere()) for prefix in PREFIXES),
    ]


class Endpoint:
    """One path: answers its one method, and words every refusal as the contract does."""

    def __init__(self, method: str, answer: Callable[[Request], Awaitable[Response]]) -> None:
        self._methods = ("GET", "HEAD") if method == "GET" else (method,)
        self._answer = answer

    async def __call__(self, scope: AsgiScope, receive: Receive, send: Send) -> None:
        response = await self._respond(Request(scope, receive))
        await response(scope, receive, send)

    async def _respond(self, request: Request) -> Response:
        if request.method not in self._methods:
            allowed = ", ".join(self._methods)
            body = {"error": "Method not allowed", "message": f"Use {allowed}."}
            return JSONResponse(body, 405, {"Allow": allowed} | _NOT_CACHED)
        try:
            wire.refuse_query(request)
            return await self._answer(request)
        except PlatformError as error:
            return _refused(error)


class Nowhere:
    """Any path that the contract does not have."""

    async def __call__(self, scope: AsgiScope, receive: Receive, send: Send) -> None:
        await JSONResponse({"error": "Endpoint not found"}, 404)(scope, receive, send)


class Submitting:
    """Takes requests of one operation in."""

    def __init__(self, door: Door, operation: Operation) -> None:
        self._door = door
        self._operation = operation
        self._webhook = webhook_parameter(door.catalog.model(MODEL_ID))

    async def __call__(self, request: Request) -> Response:
        url = request.headers.get(WEBHOOK_HEADER)
        accent = Accent(DIALECT, MODEL_ID, lambda body: self._read(body, url), beside=url)
        answer = await take_in(self._door, request, request.headers.get(KEY_HEADER), accent)
        headers = submit_headers(self._door, answer, as_uuid)
        if isinstance(answer, Refused):
            return _refused(answer.error, headers)
        return JSONResponse(answers.submitted(self._door, answer.job), headers=headers | _NOT_CACHED)

    def _read(self, body: Mapping[str, Any], url: str | None) -> Wanted:
        asked_url = self._webhook.check(url)
        asked = self._operation.parse(body)
        return Wanted(
            serving=MODEL_ID,
            price_micro=self._door.catalog.model(MODEL_ID).price_micro,
            count=asked.values["num_images"],
            input_values=asked.input_values,
            make=asked.request,
            webhook_url=None if asked_url is None else str(asked_url),
            webhook_field=WEBHOOK_HEADER,
        )


def failure(error: PlatformError) -> Response:
    """What is answered where no route of the dialect does: the table's words alone."""
    status, body = answers.refusal(error)
    return JSONResponse({"error": body["error"]}, status)


def job_body(door: Door, job: Job) -> answers.Body:
    """An ended job as its webhook tells it: generation B's envelope, its images gone where they have expired."""
    urls = [] if job.is_gone(door.clock.now()) else [door.output_url(job, image) for image in job.images]
    return answers.envelope(job, as_uuid(job.id), urls)


class Polling:
    """Says how a request stands."""

    def __init__(self, door: Door) -> None:
        self._door = door

    async def result(self, request: Request) -> Response:
        """Generation A: the id in the body; without a key the id alone is enough, with one the owner is checked."""
        content = await wire.read_body(request, _POLL_BYTES)
        request_id = _request_id_in(await wire.json_object(content, request.headers.get("content-type")))
        key = request.headers.get(KEY_HEADER)
        job = await (self._owned(key, request_id) if key else self._keyless(request_id))
        return JSONResponse(answers.result(job, request_id, self._urls(job)), headers=_NOT_CACHED)

    async def status(self, request: Request) -> Response:
        """Generation B: the id in the path, and the owner's key."""
        request_id = request.path_params["job"]
        job = await self._owned(request.headers.get(KEY_HEADER), request_id)
        return JSONResponse(answers.envelope(job, request_id, self._urls(job)), headers=_NOT_CACHED)

    async def _owned(self, key: str | None, request_id: str) -> Job:
        return await self._door.ask(
            key,
            Scope.READ,
            lambda connection, caller: jobs.owned(connection, answers.job_id_of(request_id), caller.account.id),
        )

    async def _keyless(self, request_id: str) -> Job:
        """Only a job that came in here: in other dialects an id was never a secret that opens anything."""
        job = await self._door.any_job(answers.job_id_of(request_id))
        if job.dialect != DIALECT:
            raise UnknownJob
        return job

    def _urls(self, job: Job) -> list[str]:
        """The addresses of the job's images; raises `Gone` where their bytes are no longer there."""
        if job.images and job.is_gone(self._door.clock.now()):
            raise Gone("The images of this request have expired or were deleted.")
        return [self._door.output_url(job, image) for image in job.images]


def _request_id_in(body: Mapping[str, object]) -> str:
    """The request id under either of its names; raises `InvalidParameter`."""
    synonyms = (_REQUEST_ID, _REQUEST_ID_SYNONYM)
    refuse_unknown(body, "getFluxDevStatus", [parameter.name for parameter in synonyms])
    given = {value for parameter in synonyms if (value := parameter.check(body.get(parameter.name))) is not None}
    if not given:
        raise InvalidParameter("`request_id` is required.", field="request_id")
    if len(given) > 1:
        raise InvalidParameter("`requestId` is another name of `request_id`: give one of the two.", field="requestId")
    return str(given.pop())


def _refused(error: PlatformError, headers: dict[str, str] | None = None) -> Response:
    status, body = answers.refusal(error)
    return JSONResponse(body, status, (headers or {}) | wire.retry_header(error) | _NOT_CACHED)

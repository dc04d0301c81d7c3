"""Run and quote: a request for images is taken in, waited for where asked, or priced."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from fluxhouse.catalog.parsing import Parsed
from fluxhouse.core import ledger
from fluxhouse.core.jobs import Job, JobState
from fluxhouse.core.keys import Caller, Scope
from fluxhouse.core.submit import Refused, Submitted
from fluxhouse.dialects.dialect import Door, Order
from fluxhouse.dialects.native import bodies
from fluxhouse.dialects.native.reading import bearer, picture_wanted, wait_seconds
from fluxhouse.dialects.wire import idempotency_key, json_object, rate_headers, read_body
from fluxhouse.generation.credits import MICRO, to_number
from fluxhouse.generation.errors import Gone, InvalidParameter, PlatformError, UnknownFile
from fluxhouse.generation.request import OutputFormat

DIALECT = "native"


class Submitting:
    """`POST /api/v1/models/{model}/run` and `/quote`."""

    def __init__(self, door: Door) -> None:
        self._door = door

    async def run(self, request: Request) -> Response:
        """Take the request in: 202, or with `Prefer: wait` the finished job or its first picture."""
        model = request.path_params["model"]
        caller = await self._door.authenticate(bearer(request), None)
        wait = wait_seconds(request)
        wants_picture, format = picture_wanted(request) if wait else (False, None)
        try:
            answer = await self._take_in(request, caller, model, format)
        except PlatformError as error:
            answer = await self._door.refuse(caller, model, error)
        headers = rate_headers(answer.window, self._door.clock.now())
        if isinstance(answer, Refused):
            return bodies.failure(answer.error, headers)
        headers["X-Job-Id"] = bodies.spelled(answer.job.id)
        if answer.replayed:
            headers["Idempotent-Replayed"] = "true"
        if not wait:
            return self._accepted(answer, headers)
        return await self._finished(request, answer, wait, wants_picture, headers)

    async def quote(self, request: Request) -> Response:
        """What the same body would cost as a run; nothing is held or counted."""
        door = self._door
        available_micro = await door.ask(
            bearer(request), Scope.READ, lambda connection, caller: ledger.balance(connection, caller.account.id)
        )
        content = await read_body(request)
        body = json_object(content, request.headers.get("content-type"))
        parsed = door.catalog.parse(request.path_params["model"], body)
        door.require_serving(parsed.serving.id)
        cost_micro = parsed.price_micro * parsed.count
        usd = Decimal(cost_micro) / MICRO * door.options.usd_per_credit
        answer: dict[str, Any] = {
            "model": parsed.model.id,
            "servingModel": parsed.serving.id,
            "numOutputs": parsed.count,
            "creditsPerImage": to_number(parsed.price_micro),
            "creditCost": to_number(cost_micro),
            "usdCost": float(usd),
            "creditsRemaining": to_number(available_micro.available_micro),
        }
        if not parsed.input_values:
            # With an input image the size may be the image's own, and a quote fetches nothing.
            made = parsed.request((), seed=0)
            answer |= {"width": made.width, "height": made.height}
        return JSONResponse(answer)

    async def _take_in(
        self, request: Request, caller: Caller, model: str, format: OutputFormat | None
    ) -> Submitted | Refused:
        """The door's answer; what this raises was refused before it got there."""
        door = self._door
        caller.key.require(Scope.RUN)
        content = await read_body(request)
        body = json_object(content, request.headers.get("content-type"))
        parsed = door.catalog.parse(model, body if format is None else _in_format(body, format))
        if format is not None:
            _check_format(parsed, format)
        door.require_serving(parsed.serving.id)
        sent = idempotency_key(request, content)
        url = parsed.webhook_url
        if sent is not None and (parsed.input_values or url):
            first = await door.replay(caller, model, sent)
            if first is not None:
                return first
        cost_micro = parsed.price_micro * parsed.count
        if url is not None:
            await door.check_webhook(caller, url, "webhook_url", cost_micro)
        inputs = await door.accept_inputs(caller, parsed.input_values, cost_micro)
        made = parsed.request(inputs, door.draw_seed())
        return await door.submit(caller, Order(DIALECT, model, made, parsed.price_micro, sent, url))

    def _accepted(self, submitted: Submitted, headers: Mapping[str, str]) -> Response:
        body = bodies.submitted_body(self._door, submitted)
        return JSONResponse(body, 202, {"Location": body["statusUrl"], **headers})

    async def _finished(
        self, request: Request, submitted: Submitted, seconds: float, wants_picture: bool, headers: Mapping[str, str]
    ) -> Response:
        headers = {"Preference-Applied": f"wait={seconds:.0f}", **headers}
        job = await self._door.wait_connected(request.receive, submitted, seconds)
        if job is None:
            return Response(status_code=202)  # nobody reads it
        if not job.state.terminal:
            return self._accepted(submitted, headers)
        if wants_picture:
            return await self._picture(job, headers)
        return JSONResponse(bodies.job_body(self._door, job), 200, dict(headers))

    async def _picture(self, job: Job, headers: Mapping[str, str]) -> Response:
        """The first image's own bytes; a job without one is an error here, as there is no picture to send."""
        if bodies.output_gone(job, self._door.clock.now()):
            return bodies.failure(Gone(), headers)
        if job.images:
            first = job.images[0]
            try:
                content = await self._door.storage.get(first.key)
            except UnknownFile:
                return bodies.failure(Gone(), headers)
            where = {"Content-Location": self._door.output_url(job, first), "X-Content-Type-Options": "nosniff"}
            return Response(content, 200, {**where, **headers}, first.content_type)
        if job.state is JobState.CANCELLED:
            return bodies.failure_of(409, "job_cancelled", "The job was cancelled.", headers=headers)
        code, message = (job.error.code, job.error.message) if job.error is not None else ("generation_failed", "")
        return bodies.failure_of(503, code, message, headers=headers)


def _in_format(body: Mapping[str, Any], format: OutputFormat) -> Mapping[str, Any]:
    """The body, asking for the format that `Accept` names where it asks for none itself."""
    return body if body.get("output_format") is not None else {**body, "output_format": format.value}


def _check_format(parsed: Parsed, format: OutputFormat) -> None:
    made = parsed.values.get("output_format", OutputFormat.PNG.value)
    if made != format.value:
        message = f"`output_format` {made} cannot be answered as `Accept: {format.content_type}`"
        raise InvalidParameter(message, field="output_format")

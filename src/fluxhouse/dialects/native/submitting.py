"""Run and quote: a request for images is taken in, waited for where asked, or priced."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from fluxhouse.core import ledger
from fluxhouse.core.jobs import Job, JobState
from fluxhouse.core.keys import Scope
from fluxhouse.core.submit import Refused, Submitted
from fluxhouse.dialects.answering import submit_headers
from fluxhouse.dialects.dialect import Door, status_of
from fluxhouse.dialects.native import bodies
from fluxhouse.dialects.native.accepting import Accepted, picture_wanted
from fluxhouse.dialects.native.reading import bearer
from fluxhouse.dialects.submitting import Accent, Wanted, admit, read_quoted, take_in
from fluxhouse.dialects.waiting import wait_seconds
from fluxhouse.generation.credits import MICRO, to_number
from fluxhouse.generation.errors import Gone, UnknownFile

DIALECT = "native"


class Submitting:
    """`POST /api/v1/models/{model}/run` and `/quote`."""

    def __init__(self, door: Door) -> None:
        self._door = door

    async def run(self, request: Request) -> Response:
        """Take the request in: 202, or with `Prefer: wait` the finished job or its first picture."""
        wait = wait_seconds(request)
        accepted = picture_wanted(request) if wait else None
        answer = await take_in(self._door, request, bearer(request), self._accent(request, accepted))
        headers = submit_headers(self._door, answer, bodies.spelled)
        if isinstance(answer, Refused):
            return bodies.failure(answer.error, headers)
        if not wait:
            return self._accepted(answer, headers)
        return await self._finished(request, answer, wait, accepted is not None, headers)

    async def quote(self, request: Request) -> Response:
        """What the same body would cost as a run; nothing is held, and only a large body counts towards the rate."""
        door = self._door
        caller, window = await admit(door, bearer(request), Scope.READ)
        body = await read_quoted(door, request, caller, window)
        parsed = door.catalog.parse(request.path_params["model"], body)
        door.require_serving(parsed.serving.id)
        balance = await door.database.read(lambda connection: ledger.balance(connection, caller.account.id))
        cost_micro = parsed.price_micro * parsed.count
        usd = Decimal(cost_micro) / MICRO * door.options.usd_per_credit
        answer: dict[str, Any] = {
            "model": parsed.model.id,
            "servingModel": parsed.serving.id,
            "numOutputs": parsed.count,
            "creditsPerImage": to_number(parsed.price_micro),
            "creditCost": to_number(cost_micro),
            "usdCost": float(usd),
            "creditsRemaining": to_number(balance.available_micro),
        }
        if not parsed.input_values:
            # With an input image the size may be the image's own, and a quote fetches nothing.
            made = parsed.request((), seed=0)
            answer |= {"width": made.width, "height": made.height}
        return JSONResponse(answer)

    def _accent(self, request: Request, accepted: Accepted | None) -> Accent:
        model = request.path_params["model"]

        def read(body: Mapping[str, Any]) -> Wanted:
            parsed = self._door.catalog.parse(model, body)
            if accepted is not None:
                parsed = accepted.settle(parsed, body)
            return Wanted(
                serving=parsed.serving.id,
                price_micro=parsed.price_micro,
                count=parsed.count,
                input_values=parsed.input_values,
                make=parsed.request,
                webhook_url=parsed.webhook_url,
                webhook_field="webhook_url",
                loras=parsed.loras,
            )

        return Accent(DIALECT, model, read, beside=None if accepted is None else accepted.text)

    def _accepted(self, submitted: Submitted, headers: Mapping[str, str]) -> Response:
        body = bodies.submitted_body(self._door, submitted)
        return JSONResponse(body, 202, {"Location": body["statusUrl"], **headers})

    async def _finished(
        self, request: Request, submitted: Submitted, seconds: float, wants_picture: bool, headers: Mapping[str, str]
    ) -> Response:
        headers = {"Preference-Applied": f"wait={seconds:.0f}", **headers}
        # Who sent an idempotency key may come again, and others with it: they must find the job.
        kept = "idempotency-key" in request.headers
        job = await self._door.wait_connected(request.receive, submitted.job, seconds, kept=kept)
        if job is None:
            return Response(status_code=202)  # nobody reads it
        if not job.state.terminal:
            return self._accepted(submitted, headers)
        if wants_picture:
            return await self._picture(job, headers)
        return JSONResponse(bodies.job_body(self._door, job), 200, dict(headers))

    async def _picture(self, job: Job, headers: Mapping[str, str]) -> Response:
        """The first image's own bytes; a job without one is an error here, as there is no picture to send."""
        if job.is_gone(self._door.clock.now()):
            return bodies.failure(Gone(), headers)
        if job.shown:
            first = job.shown[0]
            try:
                content = await self._door.storage.get(first.key)
            except UnknownFile:
                return bodies.failure(Gone(), headers)
            where = {"Content-Location": self._door.output_url(job, first), "X-Content-Type-Options": "nosniff"}
            return Response(content, 200, {**where, **headers}, first.content_type)
        if job.state is JobState.CANCELLED:
            return bodies.failure_of(409, "job_cancelled", "The job was cancelled.", headers=headers)
        code, message = (job.error.code, job.error.message) if job.error is not None else ("generation_failed", "")
        moderated = None if job.error is None else job.error.moderated
        status = 503 if moderated is None else status_of(moderated)
        return bodies.failure_of(status, code, message, headers=headers)

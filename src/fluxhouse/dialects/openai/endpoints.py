"""OpenAI's routes: pictures from words, edits of pictures, and the models."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from fluxhouse.core.submit import Refused, Submitted
from fluxhouse.dialects.answering import submit_headers
from fluxhouse.dialects.dialect import Door
from fluxhouse.dialects.openai import answers, fields
from fluxhouse.dialects.openai.asking import Asking
from fluxhouse.dialects.openai.forms import edit_body, pictures_in
from fluxhouse.dialects.openai.models import Models
from fluxhouse.dialects.openai.streaming import Telling
from fluxhouse.dialects.streaming import JobStream
from fluxhouse.dialects.submitting import Accent, Wanted, take_in
from fluxhouse.dialects.wire import key_in, refuse_query

DIALECT = "openai"
PREFIXES = ("/v1/",)
_UNREAD = "unknown"  # the model, until the body that names it was read
_LONGEST_SECONDS = 600.0  # as long as the SDKs wait


def routes(door: Door) -> list[BaseRoute]:
    """Every route of the dialect but the list of models, which is not its alone."""
    images = Images(door)
    return [
        Route("/v1/images/generations", images.generate, methods=["POST"]),
        Route("/v1/images/edits", images.edit, methods=["POST"]),
        Route("/v1/models/{model}", Models(door).get, methods=["GET"]),
    ]


class Images:
    """Takes requests in and answers when their pictures are there."""

    def __init__(self, door: Door) -> None:
        self._door = door
        self._generations = Asking(door, fields.GENERATIONS)
        self._edits = Asking(door, fields.EDITS)

    async def generate(self, request: Request) -> Response:
        """`POST /v1/images/generations`."""
        return await self._answer(request, Accent(DIALECT, _UNREAD, self._generations.wanted))

    async def edit(self, request: Request) -> Response:
        """`POST /v1/images/edits`."""
        return await self._answer(request, Accent(DIALECT, _UNREAD, self._edited, parse=edit_body))

    def _edited(self, body: Mapping[str, Any]) -> Wanted:
        rest, shown = pictures_in(body)
        return self._edits.wanted(rest, shown, of_form=True)

    async def _answer(self, request: Request, accent: Accent) -> Response:
        refuse_query(request)
        door = self._door
        answer = await take_in(door, request, key_in(request, "bearer"), accent)
        headers = submit_headers(door, answer, "job_{}".format)  # as the native API spells it
        if isinstance(answer, Refused):
            return answers.failure(answer.error, headers)
        # Who sent an idempotency key may come again, and others with it: they must find the job.
        kept = "idempotency-key" in request.headers
        if answer.job.terms.remarks["stream"]:
            return JobStream(door, answer.job, Telling(door, answer.job).events(), headers, kept=kept)
        return await self._finished(request, answer, headers, kept=kept)

    async def _finished(
        self, request: Request, submitted: Submitted, headers: Mapping[str, str], *, kept: bool
    ) -> Response:
        door = self._door
        job = await door.wait_connected(request.receive, submitted.job, _LONGEST_SECONDS, kept=kept)
        if job is None:
            return Response(status_code=202)  # nobody reads it
        if not job.state.terminal:
            if not kept:
                await door.abandon(job)
            return answers.failure(answers.Ending() if door.feed.closed else answers.TookTooLong(), headers)
        failed = answers.failure_of(job)
        if failed is not None:
            return answers.failure(failed, headers)
        return JSONResponse(await answers.pictures(door, job), headers=dict(headers))

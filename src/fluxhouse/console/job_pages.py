"""The page of one job: pictures, parameters, timings, credits, webhook deliveries, and what can be done with it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Connection
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import BaseRoute, Route

from fluxhouse.console.desk import Desk
from fluxhouse.console.gallery import job_id_of
from fluxhouse.console.rendering import Renderer, span_text
from fluxhouse.console.rerun import playground_address
from fluxhouse.console.visitors import Visitors
from fluxhouse.core import jobs, keys, ledger, queue, webhooks
from fluxhouse.core.cancel import cancel
from fluxhouse.core.feed import StateChanged
from fluxhouse.core.jobs import Job, JobState
from fluxhouse.core.ledger import Entry
from fluxhouse.core.removal import remove_output
from fluxhouse.core.webhooks import Webhook, WebhookAttempt
from fluxhouse.generation.errors import Conflict, Gone, UnknownWebhook
from fluxhouse.generation.request import GenerationRequest


@dataclass(frozen=True, slots=True)
class Record:
    """A job and all that is written of it."""

    job: Job
    key_name: str
    position: int | None
    lines: list[Entry]
    webhook: Webhook | None
    attempts: list[WebhookAttempt]


class JobPages:
    """`/gallery/{job}` and its buttons."""

    def __init__(self, desk: Desk, visitors: Visitors, renderer: Renderer) -> None:
        self._desk = desk
        self._visitors = visitors
        self._renderer = renderer

    def routes(self) -> list[BaseRoute]:
        """The addresses of these pages."""
        return [
            Route("/gallery/{job}", self.page, methods=["GET"]),
            Route("/gallery/{job}/cancel", self.cancel, methods=["POST"]),
            Route("/gallery/{job}/delete", self.delete, methods=["POST"]),
            Route("/gallery/{job}/replay", self.replay, methods=["POST"]),
        ]

    async def page(self, request: Request) -> Response:
        """The job as it stands; the page looks again by itself while it has not ended."""
        session, now, job_id = await self._visitors.require(request), self._desk.clock.now(), job_id_of(request)
        record = await self._desk.database.read(
            lambda connection: _record(connection, job_id, session.person.account_id)
        )
        job = record.job
        urls = {image.index: self._desk.signer.sign(image.key, job.expires_at) for image in job.images}
        return await self._renderer.page(
            request,
            "job.html",
            script="job",
            record=record,
            job=job,
            urls=urls,
            is_gone=job.is_gone(now),
            ends=span_text(job.expires_at - now),
            again=playground_address(self._desk.catalog, job),
            parameters=parameters_of(job.request),
            waited=_between(job.created_at, job.started_at or job.finished_at),
            ran=_between(job.started_at, job.finished_at),
        )

    async def cancel(self, request: Request) -> Response:
        """At once where it waits, at its next step where it runs."""
        job, now = await self._owned(request), self._desk.clock.now()
        await self._desk.database.write(lambda connection: cancel(connection, job, now))
        self._desk.feed.publish(job.id, StateChanged())
        return _back(job)

    async def delete(self, request: Request) -> Response:
        """The pictures of an ended job, and what went in, before their time; the job stays."""
        job, now = await self._owned(request), self._desk.clock.now()
        if not job.state.terminal:
            raise Conflict("the job has not ended yet: cancel it first")
        if job.is_gone(now):
            raise Gone
        await remove_output(self._desk.database, self._desk.storage, job, now)
        return _back(job)

    async def replay(self, request: Request) -> Response:
        """Send the webhook of an ended job once more."""
        job, now = await self._owned(request), self._desk.clock.now()
        await self._desk.database.write(lambda connection: webhooks.replay(connection, job, now))
        self._desk.feed.changed.ring()
        return RedirectResponse(f"/gallery/job_{job.id}#webhook", 303)

    async def _owned(self, request: Request) -> Job:
        """The account's own job that a form of ours names."""
        session, job_id = await self._visitors.require_form(request), job_id_of(request)
        return await self._desk.database.read(
            lambda connection: jobs.owned(connection, job_id, session.person.account_id)
        )


def parameters_of(request: GenerationRequest) -> dict[str, str]:
    """What was asked for, in the words of the API where it has any; what was left to the backend stays out."""
    said = {
        "made by": request.model,
        "asked prompt": request.asked_prompt,
        "size": f"{request.width} \u00d7 {request.height}",
        "seed": request.seed,
        "num_outputs": request.count,
        "num_inference_steps": request.steps,
        "guidance_scale": request.guidance,
        "prompt_strength": request.strength,
        "negative_prompt": request.negative_prompt,
        "true guidance": request.true_guidance,
        "input pictures": len(request.inputs) or None,
        "LoRAs": ", ".join(f"scale {lora.scale:g}" for lora in request.loras) or None,
        "output_format": request.format.value,
        "output_quality": None if request.format == "png" else request.quality,
        "acceleration": request.acceleration.value,
    }
    return {name: str(value) for name, value in said.items() if value is not None}


def _record(connection: Connection, job_id: str, account_id: str) -> Record:
    job = jobs.owned(connection, job_id, account_id)
    key = keys.get(connection, job.key_id)
    try:
        webhook: Webhook | None = webhooks.of_job(connection, job.id)
    except UnknownWebhook:
        webhook = None
    return Record(
        job=job,
        key_name=key.name,
        position=queue.position(connection, job.id) if job.state is JobState.QUEUED else None,
        lines=ledger.of_job(connection, account_id, job.id),
        webhook=webhook,
        attempts=[] if webhook is None else webhooks.attempts(connection, job.id),
    )


def _between(first: datetime | None, last: datetime | None) -> str | None:
    """A length of time in seconds; None where it has no end yet."""
    if first is None or last is None:
        return None
    return f"{max(timedelta(), last - first).total_seconds():.1f} s"


def _back(job: Job) -> Response:
    return RedirectResponse(f"/gallery/job_{job.id}", 303)

"""The native API's bodies: a submit's answer, a job as it stands, and the one error body for every failure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from starlette.responses import JSONResponse, Response

from fluxhouse.core.jobs import Job, JobState
from fluxhouse.core.submit import Submitted
from fluxhouse.dialects.answering import address
from fluxhouse.dialects.dialect import Door, status_of
from fluxhouse.dialects.wire import instant, retry_header
from fluxhouse.generation.credits import to_number
from fluxhouse.generation.errors import InsufficientCredits, PlatformError, UnknownJob

Body = dict[str, Any]

STATUSES: Mapping[JobState, str] = {
    JobState.QUEUED: "pending",
    JobState.RUNNING: "processing",
    JobState.SUCCEEDED: "completed",
    JobState.FAILED: "failed",
    JobState.CANCELLED: "cancelled",
}
_JOB_PREFIX = "job_"


def spelled(job_id: str) -> str:
    """A job's id as this dialect writes it."""
    return f"{_JOB_PREFIX}{job_id}"


def job_id_of(text: str) -> str:
    """The id inside `job_...`; raises `UnknownJob`."""
    if not text.startswith(_JOB_PREFIX) or len(text) > 100:
        raise UnknownJob
    return text.removeprefix(_JOB_PREFIX)


def submitted_body(door: Door, submitted: Submitted) -> Body:
    """What a submit is answered; a replay says the same again, whatever has become of the job."""
    job = submitted.job
    return {
        "jobId": spelled(job.id),
        "status": "pending",
        "statusUrl": status_url(door, job),
        "creditCost": to_number(job.hold_micro),
        "creditsRemaining": to_number(submitted.available_micro),
        "expiresAt": instant(job.created_at + door.options.output_ttl),
    }


def status_url(door: Door, job: Job) -> str:
    """The absolute address at which the job is polled."""
    return address(door, f"/api/v1/jobs/{spelled(job.id)}")


def job_body(door: Door, job: Job, queue_position: int | None = None) -> Body:
    """A job as GET returns it: the contract's fields first; what is not known yet is absent."""
    open_or_charged = job.hold_micro if job.captured_micro is None else job.captured_micro
    body: Body = {
        "jobId": spelled(job.id),
        "status": STATUSES[job.state],
        **_output(door, job),
        "creditCost": to_number(open_or_charged),
        "expiresAt": instant(job.expires_at),
        "model": job.model,
        "servedBy": job.served_by,
        "createdAt": instant(job.created_at),
        "seed": job.request.seed,
        "prompt": job.request.prompt,
    }
    for name, moment in (("startedAt", job.started_at), ("completedAt", job.finished_at)):
        if moment is not None:
            body[name] = instant(moment)
    if queue_position is not None:
        body["queuePosition"] = queue_position
    if job.state is JobState.RUNNING:
        body["progress"] = _progress(door, job)
    if job.inference_seconds is not None:
        body["timings"] = {"inference": job.inference_seconds}
    if job.error is not None:
        error = job.error
        body["error"] = {"code": error.code, "message": error.message, "retryable": error.retryable}
    return body


def failure(error: PlatformError, headers: Mapping[str, str] | None = None) -> Response:
    """An error as this dialect answers it."""
    return failure_of(
        status_of(error), error.code, error.message, _particulars(error), dict(headers or {}) | retry_header(error)
    )


def failure_of(
    status: int,
    code: str,
    message: str,
    particulars: Mapping[str, Any] | None = None,
    headers: Mapping[str, str] | None = None,
) -> Response:
    """The error body itself."""
    body = {"error": {"code": code, "message": message, "status": status, **(particulars or {})}}
    return JSONResponse(body, status, dict(headers or {}))


def _particulars(error: PlatformError) -> Body:
    known: Body = {} if error.field is None else {"field": error.field}
    if isinstance(error, InsufficientCredits):
        known["creditsRequired"] = to_number(error.required_micro)
        known["creditsAvailable"] = to_number(error.available_micro)
    return known


def _output(door: Door, job: Job) -> Body:
    """The images: as addresses, and as addresses with their facts; none where there are none to fetch any more."""
    if job.is_gone(door.clock.now()):
        return {"output": {"images": []}, "outputExpired": True} if job.images else {}
    if not job.images:
        return {}
    urls = [door.output_url(job, image) for image in job.images]
    assets = [
        {
            "url": url,
            "width": image.width,
            "height": image.height,
            "contentType": image.content_type,
            "seed": image.seed,
            "hasNsfwConcepts": image.nsfw,
        }
        for url, image in zip(urls, job.images, strict=True)
    ]
    return {"output": {"images": urls}, "assets": assets}


def _progress(door: Door, job: Job) -> Body:
    newest = door.feed.step(job.id)
    if newest is not None:
        return {"image": newest.index, "step": newest.step, "steps": newest.steps}
    serving = door.options.serving.get(job.request.model)
    steps = job.request.steps or (serving.steps if serving is not None else 1)
    return {"image": 0, "step": 0, "steps": steps}

"""Pixazo's answers: a job as each generation of the contract words it, and the table of errors."""

from __future__ import annotations

import re
import uuid
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from fluxhouse.core.jobs import Job, JobError, JobState
from fluxhouse.dialects.answering import address, as_uuid
from fluxhouse.dialects.dialect import Door
from fluxhouse.dialects.wire import BodyTooLarge, BodyTooSlow
from fluxhouse.generation.errors import (
    AccountSuspended,
    Conflict,
    DatabaseUnavailable,
    Gone,
    IdempotencyMismatch,
    InsufficientCredits,
    InvalidKey,
    KeyNotAllowed,
    ModelUnavailable,
    NotFound,
    PlatformError,
    RateLimited,
    RequestRejected,
    SpendCapReached,
    StorageUnavailable,
    UnknownJob,
)

Body = dict[str, Any]

SUBMITTED_STATUS, _COMPLETED = "QUEUED", "COMPLETED"
# A client that polls knows no word for a cancelled job: FAILED is what makes it stop.
_STATUS: Mapping[JobState, str] = {
    JobState.QUEUED: "QUEUED",
    JobState.RUNNING: "PROCESSING",
    JobState.SUCCEEDED: _COMPLETED,
    JobState.FAILED: "FAILED",
    JobState.CANCELLED: "FAILED",
}
_CANCELLED = JobError("cancelled", "The request was cancelled.", retryable=False)
REQUEST_ID_PATTERN = r"(?:flux-dev_)?([0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12})"
_REQUEST_ID = re.compile(REQUEST_ID_PATTERN)

# The contract's own table, then what it does not print but this platform must be able to say.
ERRORS: Mapping[type[PlatformError], tuple[int, str]] = {
    RequestRejected: (400, "Invalid request parameters"),
    InvalidKey: (401, "Invalid or missing authentication"),
    InsufficientCredits: (402, "Insufficient Balance"),
    KeyNotAllowed: (403, "Access denied for this operation"),
    AccountSuspended: (403, "Access denied for this operation"),
    NotFound: (404, "Endpoint not found"),
    RateLimited: (429, "Rate limit exceeded, please retry later"),
    PlatformError: (500, "An unexpected error occurred, please try again later"),
    Conflict: (409, "Request conflicts with another one"),
    BodyTooSlow: (408, "Request body did not come in time"),
    BodyTooLarge: (413, "Request body too large"),
    Gone: (410, "Result no longer available"),
    IdempotencyMismatch: (422, "Idempotency key was used with another request"),
    ModelUnavailable: (503, "Model temporarily unavailable"),
    StorageUnavailable: (503, "Storage temporarily unavailable"),
    DatabaseUnavailable: (503, "Service temporarily unavailable"),
}
_NO_BALANCE = "Your wallet does not have enough balance."


def job_id_of(request_id: str) -> str:
    """The job's id behind a request id, with or without `flux-dev_`; raises `UnknownJob`."""
    match = _REQUEST_ID.fullmatch(request_id)
    if match is None:
        raise UnknownJob("There is no such request.", field="request_id")
    return uuid.UUID(match[1]).hex


def submitted(door: Door, job: Job) -> Body:
    """The one reply to a submit that clients of both generations understand."""
    request_id = as_uuid(job.id)
    polling_url = address(door, f"/v2/requests/status/{request_id}")
    return {"request_id": request_id, "status": SUBMITTED_STATUS, "polling_url": polling_url}


def result(job: Job, request_id: str, urls: list[str]) -> Body:
    """What `getFluxDevStatus` says: the bare result once there is one, else how the request stands.

    `urls` are those of the job's images, in order.
    """
    if _status(job) == _COMPLETED:
        return _images(job, urls)
    body: Body = {"request_id": request_id, "status": _status(job)}
    failure = _failure(job)
    if failure is not None:
        body |= {"error": failure.message, "error_type": failure.code, "retryable": failure.retryable}
    return body | (_images(job, urls) if job.images else {})


def envelope(job: Job, request_id: str, urls: list[str]) -> Body:
    """What `/v2/requests/status` says; `output` is null while there are no images."""
    failure = _failure(job)
    latest = max(moment for moment in (job.created_at, job.started_at, job.heartbeat_at, job.finished_at) if moment)
    return {
        "request_id": request_id,
        "status": _status(job),
        "model_id": job.model,
        "error": None if failure is None else failure.message,
        "output": {"media_url": urls, "media_type": job.images[0].content_type} if job.images else None,
        "created_at": _moment(job.created_at),
        "updated_at": _moment(latest),
        "completed_at": None if job.finished_at is None else _moment(job.finished_at),
    }


def refusal(error: PlatformError) -> tuple[int, Body]:
    """Status code and body of an error: the table's words, and beside them what is wrong and where."""
    status, words = next(ERRORS[kind] for kind in type(error).__mro__ if kind in ERRORS)
    out_of_balance = isinstance(error, InsufficientCredits) and not isinstance(error, SpendCapReached)
    body: Body = {"error": words, "message": _NO_BALANCE if out_of_balance else error.message}
    return status, body if error.field is None else body | {"field": error.field}


def _images(job: Job, urls: list[str]) -> Body:
    return {
        "images": [
            {"url": url, "width": image.width, "height": image.height, "content_type": image.content_type}
            for url, image in zip(urls, job.images, strict=True)
        ],
        "timings": {"inference": job.inference_seconds or 0.0},
        "seed": job.request.seed,
        "has_nsfw_concepts": [image.nsfw for image in job.images],
        "prompt": job.request.prompt,
    }


def _failure(job: Job) -> JobError | None:
    if job.all_withheld:
        return None
    return _CANCELLED if job.state is JobState.CANCELLED else job.error


def _status(job: Job) -> str:
    """The contract's word; black pictures in the place of withheld ones are a result, too."""
    return _COMPLETED if job.all_withheld else _STATUS[job.state]


def _moment(moment: datetime) -> str:
    """ISO 8601 in UTC with milliseconds and `Z`."""
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")

"""BFL's answers: a task as its states have it, the signature of its webhooks, and two shapes of error."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping, Sequence
from typing import Any

from starlette.responses import JSONResponse, Response

from fluxhouse.core.jobs import Job, JobError, JobState
from fluxhouse.dialects.answering import as_uuid
from fluxhouse.dialects.dialect import status_of
from fluxhouse.dialects.wire import instant, retry_header
from fluxhouse.generation.errors import (
    AccessDenied,
    ContentModerated,
    IdempotencyMismatch,
    InputImageRefused,
    InvalidParameter,
    PlatformError,
    PromptRefused,
    RequestRejected,
    UnknownJob,
    UnsupportedParameter,
)

Body = dict[str, Any]

PENDING, READY, ERROR = "Pending", "Ready", "Error"
REQUEST_MODERATED, CONTENT_MODERATED, NOT_FOUND = "Request Moderated", "Content Moderated", "Task not found"
WEBHOOK_URL, SECRET = "webhook_url", "webhook_secret"
_CANCELLED = JobError("cancelled", "The task was cancelled.", retryable=False)

# What a validating framework calls it, by our class; all else that is about a field is a value_error.
_TYPES: Mapping[type[PlatformError], str] = {
    InputImageRefused: "value_error",
    UnsupportedParameter: "not_supported",
    IdempotencyMismatch: "idempotency_mismatch",
}


def task(job: Job, urls: Sequence[str], progress: float | None = None) -> Body:
    """How a task stands; `urls` are those of its images, and `progress` of a running one is from 0 to 1."""
    body: Body = {"id": as_uuid(job.id), "status": _status(job), "result": None, "progress": progress}
    body |= {"details": None, "preview": None}
    if job.state is JobState.SUCCEEDED:
        body |= {"result": _ready(job, urls[0]), "progress": 1.0}
    elif job.state.terminal:
        failed = job.error or _CANCELLED
        body["details"] = {"code": failed.code, "message": failed.message, "retryable": failed.retryable}
    return body


def message(job: Job, urls: Sequence[str]) -> Body:
    """What a webhook tells: the task, and when it ended."""
    assert job.finished_at is not None, "due only once the job has ended"
    return task(job, urls) | {"timestamp": instant(job.finished_at)}


def signature(job: Job, body: bytes) -> Mapping[str, str]:
    """BFL's own signature of a message, for who sent a secret with the task."""
    secret = job.terms.remarks.get(SECRET)
    if secret is None:
        return {}
    return {"X-BFL-Signature": "sha256=" + hmac.new(str(secret).encode(), body, hashlib.sha256).hexdigest()}


def failure(error: PlatformError, headers: Mapping[str, str] | None = None) -> Response:
    """An error as this dialect answers it: a list where a field is to blame, else one sentence."""
    status = _status_of(error)
    told = dict(headers or {}) | retry_header(error)
    if isinstance(error, UnknownJob):
        return JSONResponse({"status": NOT_FOUND, "result": None, "detail": NOT_FOUND}, status, told)
    said = error.message
    if status == 422:
        kind = next((_TYPES[each] for each in type(error).__mro__ if each in _TYPES), "value_error")
        where = [] if error.field is None else [error.field]
        return JSONResponse({"detail": [{"loc": ["body", *where], "msg": said, "type": kind}]}, status, told)
    return JSONResponse({"detail": said}, status, told)


def _status(job: Job) -> str:
    if not job.state.terminal:
        return PENDING
    if job.state is JobState.SUCCEEDED:
        return READY
    moderated = None if job.error is None else job.error.moderated
    if moderated is None:
        return ERROR
    return CONTENT_MODERATED if isinstance(moderated, ContentModerated) else REQUEST_MODERATED


def _ready(job: Job, url: str) -> Body:
    started, ended = job.started_at or job.created_at, job.finished_at or job.created_at
    return {
        "sample": url,
        "prompt": job.request.prompt,
        "seed": job.request.seed,
        "start_time": started.timestamp(),
        "end_time": ended.timestamp(),
        "duration": (ended - started).total_seconds(),
    }


def _status_of(error: PlatformError) -> int:
    """BFL has no 401, and 422 for whatever is wrong with a body."""
    if isinstance(error, AccessDenied):
        return 403
    wrong_body = isinstance(error, InvalidParameter | UnsupportedParameter | InputImageRefused | PromptRefused)
    return 422 if wrong_body or type(error) is RequestRejected else status_of(error)

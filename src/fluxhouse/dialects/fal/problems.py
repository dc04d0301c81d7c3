"""Errors as fal words them: a list where a field or the model is at fault, else one sentence with its type."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from starlette.responses import JSONResponse, Response

from fluxhouse.core.jobs import Job, JobState
from fluxhouse.dialects.dialect import status_of
from fluxhouse.dialects.fal import wishes
from fluxhouse.dialects.wire import retry_header
from fluxhouse.generation.errors import (
    Conflict,
    GenerationFailed,
    InputImageRefused,
    InvalidParameter,
    JobExpired,
    LoraRefused,
    ModelUnavailable,
    PlatformError,
    PromptRefused,
    RequestRejected,
    UnknownJob,
    UnsupportedParameter,
)
from fluxhouse.storage.images import MAX_BYTES

NOT_FOUND = "NOT_FOUND"


class StillRunning(RequestRejected):
    """Request is still in progress"""

    code = "bad_request"


class Cancelled(PlatformError):
    """The request was cancelled."""

    code = "client_cancelled"


class StartTimeout(PlatformError):
    """The request did not start within the time that it was given."""

    code = "request_timeout"


class TookTooLong(PlatformError):
    """The request took longer than an open connection is kept."""

    code = "generation_timeout"


class Ending(PlatformError):
    """This process is about to end; send the request again."""

    code = "runner_disconnected"


class FileTooLarge(RequestRejected):
    """Uploads in parts are for files larger than a picture may be."""

    code = "file_too_large"


# What is at fault in a list of details, by our class and with its status; the nearest class counts.
_DETAILED: Mapping[type[PlatformError], tuple[int, str]] = {
    InvalidParameter: (422, "value_error"),
    UnsupportedParameter: (422, "feature_not_supported"),
    InputImageRefused: (422, "image_load_error"),
    LoraRefused: (422, "file_download_error"),
    PromptRefused: (422, "content_policy_violation"),
    FileTooLarge: (422, "file_too_large"),
    GenerationFailed: (500, "internal_server_error"),
    TookTooLong: (504, "generation_timeout"),
}
# What is told in one sentence, with its type and the status that our own classes do not have.
_SENTENCES: Mapping[type[PlatformError], tuple[int, str]] = {
    StillRunning: (400, "bad_request"),
    Cancelled: (499, "client_cancelled"),
    StartTimeout: (504, "request_timeout"),
    JobExpired: (504, "request_timeout"),
    Ending: (503, "runner_disconnected"),
    ModelUnavailable: (503, "runner_scheduling_failure"),
}


def failure(error: PlatformError, headers: Mapping[str, str] | None = None) -> Response:
    """An error as this dialect answers it."""
    status, body = worded(error)
    told = dict(headers or {}) | retry_header(error)
    if "error_type" in body:
        told["X-Fal-Error-Type"] = body["error_type"]
    if isinstance(error, StartTimeout):
        told["X-Fal-Request-Timeout-Type"] = "user"
    if status in (422, 500):
        told["X-Fal-Retryable"] = "true" if getattr(error, "retryable", status == 500) else "false"
    return JSONResponse(body, status, told | {"Cache-Control": "no-store"})


def worded(error: PlatformError) -> tuple[int, dict[str, Any]]:
    """The status and the body of an error."""
    said = error.message
    if isinstance(error, UnknownJob):
        return 404, {"status": NOT_FOUND, "detail": said}
    for kind in type(error).__mro__:
        if kind in _SENTENCES:
            status, name = _SENTENCES[kind]
            return status, {"detail": said, "error_type": name}
        if kind in _DETAILED:
            status, name = _DETAILED[kind]
            return status, {"detail": [_detail(error, said, name)]}
    if type(error) is RequestRejected:
        return 422, {"detail": [_detail(error, said, "value_error")]}
    status = status_of(error)
    if status == 500:
        return 500, {"detail": "Something went wrong on our side.", "error_type": "internal_error"}
    named = {"error_type": "bad_request"} if isinstance(error, RequestRejected | Conflict) else {}
    return status, {"detail": said, **named}


def failure_of(job: Job) -> PlatformError | None:
    """Why a request that has ended has no result; None where it has, be it of black pictures alone."""
    if job.state is JobState.SUCCEEDED or job.all_withheld:
        return None
    if job.error is None:
        late = job.started_at is None and job.deadline_at is not None and job.finished_at is not None
        return StartTimeout() if late and job.deadline_at <= job.finished_at else Cancelled()  # type: ignore[operator]
    if (moderated := job.error.moderated) is not None:
        return moderated
    failed = (JobExpired if job.error.code == JobExpired.code else GenerationFailed)(job.error.message)
    failed.retryable = job.error.retryable
    return failed


def _detail(error: PlatformError, said: str, name: str) -> dict[str, Any]:
    """One detail; clients take no number for a place, and no dots."""
    place = [] if error.field is None else error.field.split(".")
    detail: dict[str, Any] = {"loc": [_part(error.field), *place], "msg": said, "type": name}
    return detail | ({"ctx": {"max_size": MAX_BYTES}} if isinstance(error, FileTooLarge) else {})


def _part(field: str | None) -> str:
    """Which part of the request a field stands in."""
    if field in (wishes.WEBHOOK, wishes.MAX_QUEUE_LENGTH):
        return "query"
    return "header" if field is not None and field.lower().startswith("x-fal-") else "body"

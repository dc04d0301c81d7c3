"""Every way in which a call can end badly, as one tree that mirrors the codes of the native API.

FluxhouseError                code, message, status, field, request_id
  InvalidRequest              400 and 405, 413, 415: the request itself is wrong; `field` names the parameter
  AuthenticationError         401: the key is missing, unknown, expired or revoked
  InsufficientCredits         402: or the key's spend cap is reached; credits_required, credits_available
  PermissionDenied            403: this key or account may not do that
  NotFound                    404: no such model, job or file, or not yours
    Gone                      410: it has expired or was deleted
  Conflict                    409 and 422: already ended, or an idempotency key used for another request
  RateLimited                 429: retry_after, in seconds
  ServerError                 5xx, and answers that are not the native API's
  ConnectionFailed                 no answer came
  Timeout                          no answer came, or no end of the job, in time; job_id
  JobFailed                        the job ended without its images, uncharged; job, retryable
  JobCancelled                     the job was cancelled; job
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from email.utils import parsedate_to_datetime
from typing import Any

from fluxhouse.client.facts import JobFacts


class FluxhouseError(Exception):
    """A call did not do what was asked. `code` is the server's stable word, `status` the HTTP status where one came.

    `retry_after` is in seconds, None where the server named no time.
    """

    retry_after: float | None = None

    def __init__(
        self,
        code: str,
        message: str,
        status: int | None = None,
        field: str | None = None,
        request_id: str | None = None,
    ) -> None:
        super().__init__(code, message, status, field, request_id)
        self.code = code
        self.message = message
        self.status = status
        self.field = field
        self.request_id = request_id

    def __str__(self) -> str:
        named = self.code if self.request_id is None else f"{self.code}, request {self.request_id}"
        return f"{self.message} [{named}]"


class InvalidRequest(FluxhouseError):
    """The request is not valid; `field` names the parameter where there is one."""


class AuthenticationError(FluxhouseError):
    """The API key is missing, unknown, expired or revoked."""


class PermissionDenied(FluxhouseError):
    """This key or account may not do that."""


class InsufficientCredits(FluxhouseError):
    """Not enough credits, or the key's spend cap is reached."""

    credits_required: Decimal | None = None
    credits_available: Decimal | None = None


class NotFound(FluxhouseError):
    """There is no such model, job or file, or it belongs to another account."""


class Gone(NotFound):
    """The output or file has expired or was deleted."""


class Conflict(FluxhouseError):
    """The request conflicts with the present state."""


class RateLimited(FluxhouseError):
    """Too many requests; `retry_after` says how many seconds to wait."""


class ServerError(FluxhouseError):
    """The server failed, serves no such model now, or answered what this client does not understand."""


class ConnectionFailed(FluxhouseError):
    """No answer came: no connection, or it broke, as often as it was tried."""

    def __init__(self, message: str) -> None:
        super().__init__("connection_failed", message)
        self.args = (message,)


class Timeout(FluxhouseError):
    """No answer came in time; with `job_id` the job goes on and can be waited for again."""

    def __init__(self, message: str, job_id: str | None = None) -> None:
        super().__init__("timeout", message)
        self.args = (message, job_id)
        self.job_id = job_id


class JobFailed(FluxhouseError):
    """The job failed, free of charge; `retryable` says whether the same request may succeed later."""

    def __init__(self, job: JobFacts) -> None:
        known = job.error
        super().__init__(
            "generation_failed" if known is None else known.code, "The job failed." if known is None else known.message
        )
        self.args = (job,)
        self.job = job
        self.retryable = known is not None and known.retryable


class JobCancelled(FluxhouseError):
    """The job was cancelled."""

    def __init__(self, job: JobFacts) -> None:
        super().__init__("job_cancelled", "The job was cancelled.")
        self.args = (job,)
        self.job = job


_CLASSES: Mapping[int, type[FluxhouseError]] = {
    401: AuthenticationError,
    402: InsufficientCredits,
    403: PermissionDenied,
    404: NotFound,
    409: Conflict,
    410: Gone,
    429: RateLimited,
}
_CONFLICTS = frozenset({"idempotency_mismatch"})  # 422, though it is no fault of the body's


def error_of(status: int, headers: Mapping[str, str], content: bytes) -> FluxhouseError:
    """The error in an answer that is none of success; a gateway's own page gets the class of its status."""
    said = _said(content)
    code, message = said.get("code"), said.get("message")
    known_code = code if isinstance(code, str) else f"http_{status}"
    kind = _class_of(status, known_code)
    field = said.get("field")
    error = kind(
        known_code,
        message if isinstance(message, str) else f"The server answered with status {status}.",
        status,
        field if isinstance(field, str) else None,
        headers.get("x-request-id"),
    )
    error.retry_after = retry_after(headers)
    if isinstance(error, InsufficientCredits):
        error.credits_required = _credits(said.get("creditsRequired"))
        error.credits_available = _credits(said.get("creditsAvailable"))
    return error


def retry_after(headers: Mapping[str, str]) -> float | None:
    """The seconds that `Retry-After` names, as a number or as a date; None without one."""
    text = headers.get("retry-after", "").strip()
    if text.isascii() and text.isdigit():
        return float(text[:9])
    try:
        moment = parsedate_to_datetime(text)
    except ValueError:
        return None
    moment = moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)
    return max(0.0, (moment - datetime.now(UTC)).total_seconds())


def _class_of(status: int, code: str) -> type[FluxhouseError]:
    if code in _CONFLICTS:
        return Conflict
    return _CLASSES.get(status) or (InvalidRequest if 400 <= status < 500 else ServerError)


def _said(content: bytes) -> Mapping[str, Any]:
    try:
        body = json.loads(content)
    except ValueError:
        return {}
    said = body.get("error") if isinstance(body, dict) else None
    return said if isinstance(said, dict) else {}


def _credits(value: object) -> Decimal | None:
    try:
        return None if value is None else Decimal(str(value))
    except InvalidOperation:
        return None

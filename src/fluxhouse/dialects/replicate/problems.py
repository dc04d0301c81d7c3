"""Errors as Replicate words them: `{title, detail, status}`, with `invalid_fields` where a field is at fault."""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from starlette.responses import JSONResponse, Response

from fluxhouse.dialects.dialect import status_of
from fluxhouse.dialects.wire import WrongMethod, retry_header
from fluxhouse.generation.errors import (
    AccountSuspended,
    Gone,
    InputImageRefused,
    InsufficientCredits,
    InvalidKey,
    InvalidParameter,
    KeyNotAllowed,
    NotFound,
    PlatformError,
    PromptRefused,
    RateLimited,
    RequestRejected,
    SpendCapReached,
    UnsupportedParameter,
)


class MissingKey(InvalidKey):
    """You did not pass an authentication token"""


class InvalidVersion(RequestRejected):
    """The specified version does not exist (or perhaps you don't have permission to use it?)"""

    code = "invalid_version"


_UNPROCESSABLE = "Input validation failed"
# The vendor's status and title for each kind of error; the nearest class counts.
_PROBLEMS: Mapping[type[PlatformError], tuple[int, str]] = {
    InvalidKey: (401, "Unauthenticated"),
    KeyNotAllowed: (403, "Forbidden"),
    AccountSuspended: (403, "Account suspended"),
    InsufficientCredits: (402, "Insufficient credit"),
    SpendCapReached: (402, "Spend limit reached"),
    RateLimited: (429, "Too many requests"),
    InvalidVersion: (422, "Invalid version or not permitted"),
    InvalidParameter: (422, _UNPROCESSABLE),
    UnsupportedParameter: (422, _UNPROCESSABLE),
    InputImageRefused: (422, _UNPROCESSABLE),
    PromptRefused: (422, _UNPROCESSABLE),
    NotFound: (404, "Not found"),
    Gone: (404, "Not found"),
    WrongMethod: (405, "Method not allowed"),
}
_NO_CREDIT = "You have insufficient credit to run this model. Top up the account and try again."
_NOTHING_THERE = "The requested resource could not be found."
_OURS = "Something went wrong on our side."


def failure(error: PlatformError, headers: Mapping[str, str] | None = None) -> Response:
    """An error as this dialect answers it."""
    status, title = _problem(error)
    detail = _detail(error, status)
    body: dict[str, Any] = {"title": title, "detail": detail, "status": status}
    if status == 422 and error.field is not None:
        body["detail"] = f"- {error.field}: {detail}\n"
        body["invalid_fields"] = [{"type": error.code, "field": error.field, "description": detail}]
    all_headers = {**(headers or {}), **retry_header(error), "Cache-Control": "no-store"}
    return JSONResponse(body, status, all_headers, "application/problem+json")


def _problem(error: PlatformError) -> tuple[int, str]:
    known = next((_PROBLEMS[kind] for kind in type(error).__mro__ if kind in _PROBLEMS), None)
    if known is not None:
        return known
    status = status_of(error)
    return status, HTTPStatus(status).phrase.capitalize()


def _detail(error: PlatformError, status: int) -> str:
    match error:
        case RateLimited():
            return f"Request was throttled. Your rate limit resets in ~{error.retry_after_seconds}s."
        case SpendCapReached():
            return error.message
        case InsufficientCredits():
            return _NO_CREDIT
        case NotFound() if error.field is None:
            return _NOTHING_THERE
    return _OURS if status == 500 else error.message

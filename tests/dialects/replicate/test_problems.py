"""Every error has the vendor's status and title, and tells nothing of our inside."""

import json

import pytest

from fluxhouse.dialects.replicate.problems import InvalidVersion, MissingKey, failure
from fluxhouse.dialects.wire import BodyTooLarge, WrongMethod
from fluxhouse.generation import errors


@pytest.mark.parametrize(
    ("error", "status", "title"),
    [
        (MissingKey(), 401, "Unauthenticated"),
        (errors.InvalidKey(), 401, "Unauthenticated"),
        (errors.KeyNotAllowed(), 403, "Forbidden"),
        (errors.AccountSuspended(), 403, "Account suspended"),
        (errors.InsufficientCredits(), 402, "Insufficient credit"),
        (errors.SpendCapReached(), 402, "Spend limit reached"),
        (errors.RateLimited(retry_after_seconds=30), 429, "Too many requests"),
        (InvalidVersion(), 422, "Invalid version or not permitted"),
        (errors.InvalidParameter("no", field="input.seed"), 422, "Input validation failed"),
        (errors.InputImageRefused("no", field="input.image"), 422, "Input validation failed"),
        (errors.UnknownJob(), 404, "Not found"),
        (errors.Gone(), 404, "Not found"),
        (WrongMethod(), 405, "Method not allowed"),
        (BodyTooLarge(), 413, "Request entity too large"),
        (errors.IdempotencyMismatch(), 422, "Unprocessable entity"),
        (errors.RequestRejected("the body is not valid JSON"), 400, "Bad request"),
        (errors.ModelUnavailable(), 503, "Service unavailable"),
        (errors.PlatformError("a secret"), 500, "Internal server error"),
    ],
)
def test_each_error_has_its_status_and_title(error, status, title):
    """In the body as on the wire; `invalid_fields` only where one is at fault."""
    answer = failure(error)
    body = json.loads(bytes(answer.body))
    assert (answer.status_code, body["status"], body["title"]) == (status, status, title)
    assert body["detail"]
    assert "a secret" not in body["detail"]
    assert ("invalid_fields" in body) == (error.field is not None)
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.headers.get("retry-after") == ("30" if status == 429 else None)

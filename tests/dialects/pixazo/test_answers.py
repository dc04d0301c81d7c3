"""Pixazo's answers: ids, words and errors."""

from __future__ import annotations

import pytest

from fluxhouse.dialects.answering import as_uuid
from fluxhouse.dialects.pixazo.answers import job_id_of, refusal
from fluxhouse.dialects.wire import BodyTooLarge, WrongMediaType
from fluxhouse.generation import errors
from fluxhouse.generation.errors import PlatformError, UnknownJob

JOB = "0c22795e54404e1192d3e5d967755d09"
REQUEST = "0c22795e-5440-4e11-92d3-e5d967755d09"


@pytest.mark.parametrize("request_id", [REQUEST, f"flux-dev_{REQUEST}", REQUEST.upper()])
def test_a_job_is_found_by_each_spelling(request_id: str) -> None:
    """The id is a UUID, with or without the model's name before it."""
    assert as_uuid(JOB) == REQUEST
    assert job_id_of(request_id) == JOB


@pytest.mark.parametrize("request_id", ["", JOB, f"flux-pro_{REQUEST}", f"{REQUEST}\n", f"{{{REQUEST}}}", "job_" + JOB])
def test_any_other_spelling_is_unknown(request_id: str) -> None:
    """What was never given out as a request id names nothing."""
    with pytest.raises(UnknownJob):
        job_id_of(request_id)


@pytest.mark.parametrize(
    ("error", "status", "words"),
    [
        (errors.InvalidParameter(), 400, "Invalid request parameters"),
        (errors.UnsupportedParameter(), 400, "Invalid request parameters"),
        (errors.InputImageRefused(), 400, "Invalid request parameters"),
        (WrongMediaType(), 400, "Invalid request parameters"),
        (errors.InvalidKey(), 401, "Invalid or missing authentication"),
        (errors.InsufficientCredits(), 402, "Insufficient Balance"),
        (errors.KeyNotAllowed(), 403, "Access denied for this operation"),
        (errors.AccountSuspended(), 403, "Access denied for this operation"),
        (errors.UnknownJob(), 404, "Endpoint not found"),
        (errors.RateLimited(), 429, "Rate limit exceeded, please retry later"),
        (PlatformError(), 500, "An unexpected error occurred, please try again later"),
        (errors.JobAlreadyEnded(), 409, "Request conflicts with another one"),
        (errors.Gone(), 410, "Result no longer available"),
        (BodyTooLarge(), 413, "Request body too large"),
        (errors.IdempotencyMismatch(), 422, "Idempotency key was used with another request"),
        (errors.ModelUnavailable(), 503, "Model temporarily unavailable"),
    ],
)
def test_each_error_has_the_words_of_the_table(error: PlatformError, status: int, words: str) -> None:
    """The number and the `error` string are the contract's; the message says more."""
    found, body = refusal(error)
    assert (found, body["error"]) == (status, words)
    assert body["message"]


def test_an_empty_wallet_has_the_contracts_body() -> None:
    """Out of credits is exactly the body that the vendor prints; a key's own cap says that it is the cap."""
    _, body = refusal(errors.InsufficientCredits(required_micro=1))
    assert body == {"error": "Insufficient Balance", "message": "Your wallet does not have enough balance."}
    assert "spend cap" in refusal(errors.SpendCapReached())[1]["message"]


def test_the_field_stands_beside_the_words() -> None:
    """A refusal names the field it is about, and has no empty one."""
    assert refusal(errors.InvalidParameter("no", field="seed"))[1]["field"] == "seed"
    assert "field" not in refusal(errors.InvalidParameter("no"))[1]

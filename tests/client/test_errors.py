"""Every code of the native API is an error of its own kind on this side."""

from __future__ import annotations

import copy
import pickle
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

import fluxhouse.app  # noqa: F401 - defines every error that an answer may be made of
from fluxhouse.client import errors as ours
from fluxhouse.client.errors import error_of, retry_after
from fluxhouse.client.facts import JobError, JobFacts
from fluxhouse.client.retry import passing
from fluxhouse.dialects.native.bodies import failure
from fluxhouse.generation import errors

KINDS = {
    "access_denied": ours.AuthenticationError,
    "account_suspended": ours.PermissionDenied,
    "body_too_large": ours.InvalidRequest,
    "client_closed_request": ours.InvalidRequest,
    "conflict": ours.Conflict,
    "content_moderated": ours.InvalidRequest,
    "database_unavailable": ours.ServerError,
    "file_not_found": ours.NotFound,
    "idempotency_mismatch": ours.Conflict,
    "insufficient_credits": ours.InsufficientCredits,
    "invalid_api_key": ours.AuthenticationError,
    "invalid_image": ours.InvalidRequest,
    "invalid_parameter": ours.InvalidRequest,
    "invalid_request": ours.InvalidRequest,
    "job_already_ended": ours.Conflict,
    "job_not_found": ours.NotFound,
    "invalid_lora": ours.InvalidRequest,
    "key_not_allowed": ours.PermissionDenied,
    "lora_not_found": ours.NotFound,
    "method_not_allowed": ours.InvalidRequest,
    "model_not_found": ours.NotFound,
    "model_unavailable": ours.ServerError,
    "not_found": ours.NotFound,
    "output_expired": ours.Gone,
    "prompt_refused": ours.InvalidRequest,
    "rate_limited": ours.RateLimited,
    "request_timeout": ours.InvalidRequest,
    "server_error": ours.ServerError,
    "spend_cap_reached": ours.InsufficientCredits,
    "storage_quota_exceeded": ours.InvalidRequest,
    "storage_unavailable": ours.ServerError,
    "unsupported_media_type": ours.InvalidRequest,
    "unsupported_parameter": ours.InvalidRequest,
    "webhook_not_found": ours.NotFound,
}
# Other accents, pages and payments have kinds of their own, which the native API never answers.
ELSEWHERE = ("fluxhouse.console.", "fluxhouse.core.payments")
ACCENTS = tuple(f"fluxhouse.dialects.{name}." for name in ("bfl", "fal", "mcp", "openai", "pixazo", "replicate"))
PASSING = {"database_unavailable", "rate_limited", "storage_unavailable"}


def natives(kind=errors.PlatformError):
    """Every class of the platform's errors that can answer a request; those that end a job do so in its body."""
    if not issubclass(kind, errors.GenerationFailed) and kind.__module__.startswith("fluxhouse."):
        if not kind.__module__.startswith((*ELSEWHERE, *ACCENTS)):
            yield kind
        for child in kind.__subclasses__():
            yield from natives(child)


@pytest.mark.parametrize("native", sorted(natives(), key=lambda k: k.code))
def test_every_native_code_has_its_kind(native):
    """As the native dialect renders it, so it is raised: code, message, status."""
    response = failure(native())
    error = error_of(response.status_code, response.headers, bytes(response.body))
    assert type(error) is KINDS[native.code]
    assert (error.code, error.message, error.status) == (native.code, native().message, response.status_code)
    assert passing(error) == (native.code in PASSING)


def test_what_an_error_knows_beside_its_code():
    """Field, request, credits and time."""
    short = failure(errors.InsufficientCredits(required_micro=2_500_000, available_micro=1_000_000))
    error = error_of(short.status_code, {"x-request-id": "r1"}, bytes(short.body))
    assert (error.credits_required, error.credits_available, error.request_id) == (2.5, 1, "r1")
    assert str(error) == "Not enough credits for this request. [insufficient_credits, request r1]"
    limited = failure(errors.RateLimited(retry_after_seconds=9))
    assert error_of(429, limited.headers, b"").retry_after == 9
    field = failure(errors.InvalidParameter("`seed` must be less", field="seed"))
    assert error_of(400, {}, bytes(field.body)).field == "seed"


@pytest.mark.parametrize("content", [b"", b"<html>", b"\xff", b"[]", b'{"error": "text"}', b'{"error": {"code": 7}}'])
def test_a_gateways_own_page_is_an_error_too(content):
    """Of the kind of its status."""
    error = error_of(502, {}, content)
    assert (type(error), error.code, error.message) == (
        ours.ServerError, "http_502", "The server answered with status 502.",
    )  # fmt: skip


def test_retry_after_is_a_number_or_a_date():
    """Anything else is none."""
    soon = datetime.now(UTC) + timedelta(seconds=30)
    assert retry_after({"retry-after": "30"}) == 30
    assert 28 < retry_after({"retry-after": format_datetime(soon, usegmt=True)}) <= 30
    assert retry_after({"retry-after": "Wed, 21 Oct 2015 07:28:00 GMT"}) == 0
    assert [retry_after({"retry-after": text}) for text in ("", "soon", "-1")] == [None] * 3


def test_errors_travel_between_processes():
    """A pickled error is the same error."""
    job = JobFacts("job_1", "failed", error=JobError("expired", "Too late.", True))
    for error in (
        ours.NotFound("job_not_found", "There is none.", 404, "id", "r1"),
        ours.Timeout("late", "job_1"),
        ours.ConnectionFailed("no"),
        ours.JobFailed(job),
        ours.JobCancelled(job),
    ):
        again = pickle.loads(pickle.dumps(error))
        assert (type(again), str(again), vars(again)) == (type(error), str(error), vars(copy.copy(error)))


def test_a_failed_job_says_why():
    """In the server's words where there are some."""
    known = ours.JobFailed(JobFacts("job_1", "failed", error=JobError("expired", "Too late.", True)))
    assert (known.code, known.message, known.retryable) == ("expired", "Too late.", True)
    assert ours.JobFailed(JobFacts("job_1", "failed")).code == "generation_failed"

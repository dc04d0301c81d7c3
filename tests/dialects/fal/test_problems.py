"""Our errors in fal's words."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from fluxhouse.core.jobs import JobError, JobState
from fluxhouse.dialects.fal.problems import failure, failure_of
from fluxhouse.generation import errors


@pytest.mark.parametrize(
    ("error", "status", "kind"),
    [
        (errors.InvalidParameter("x", field="seed"), 422, "value_error"),
        (errors.UnsupportedParameter("x", field="raw"), 422, "feature_not_supported"),
        (errors.InputImageRefused("x", field="image_url"), 422, "image_load_error"),
        (errors.LoraRefused("x", field="loras"), 422, "file_download_error"),
        (errors.PromptRefused(field="prompt"), 422, "content_policy_violation"),
        (errors.RequestRejected("x"), 422, "value_error"),
        (errors.OutOfMemory(), 500, "internal_server_error"),
    ],
)
def test_a_fault_is_a_list_of_details(error, status, kind):
    """With the place of the field, and the vendor's word for it."""
    answer = failure(error)
    (detail,) = json.loads(answer.body)["detail"]
    assert (answer.status_code, detail["type"], detail["msg"]) == (status, kind, error.message)
    assert detail["loc"] == (["body"] if error.field is None else ["body", error.field])
    assert answer.headers["x-fal-retryable"] == "false"


@pytest.mark.parametrize(
    ("error", "status", "kind"),
    [
        (errors.InvalidKey(), 401, None),
        (errors.InsufficientCredits(), 402, None),
        (errors.KeyNotAllowed(), 403, None),
        (errors.Gone(), 410, None),
        (errors.RateLimited(retry_after_seconds=9), 429, None),
        (errors.ModelUnavailable(), 503, "runner_scheduling_failure"),
        (errors.JobExpired(), 504, "request_timeout"),
        (errors.PlatformError("a secret"), 500, "internal_error"),
    ],
)
def test_all_else_is_a_sentence(error, status, kind):
    """With a type where the vendor has a word, in the header too; of a fault of ours nothing is told."""
    answer = failure(error)
    body = json.loads(answer.body)
    assert (answer.status_code, body.get("error_type"), answer.headers.get("x-fal-error-type")) == (status, kind, kind)
    assert "secret" not in body["detail"]
    assert answer.headers.get("retry-after") == ("9" if status == 429 else None)


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        (errors.PromptRefused.code, errors.PromptRefused),
        (errors.JobExpired.code, errors.JobExpired),
        (errors.EngineCrashed.code, errors.GenerationFailed),
    ],
)
async def test_an_ended_job_keeps_why(house, code, kind):
    """Whether it may be tried again too."""
    job = await house.platform.door.any_job((await house.done())["jobId"].removeprefix("job_"))
    assert failure_of(job) is None
    ended = replace(job, state=JobState.FAILED, error=JobError(code, "why", retryable=False))
    failed = failure_of(ended)
    assert (type(failed), failed.message) == (kind, "why")
    assert failure(failed).headers.get("x-fal-retryable", "false") == "false"

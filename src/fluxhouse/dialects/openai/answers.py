"""OpenAI's answers: finished pictures as addresses or in base64, and the one error body."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from starlette.responses import JSONResponse, Response

from fluxhouse.core.jobs import Job, JobState
from fluxhouse.dialects.answering import in_base64
from fluxhouse.dialects.dialect import Door, status_of
from fluxhouse.dialects.wire import retry_header
from fluxhouse.generation.errors import (
    Conflict,
    GenerationFailed,
    Gone,
    InsufficientCredits,
    InvalidKey,
    PlatformError,
    PromptRefused,
    RateLimited,
)
from fluxhouse.generation.request import OutputFormat, Task

Body = dict[str, Any]

FORMATS: Mapping[str, OutputFormat] = {"png": OutputFormat.PNG, "jpeg": OutputFormat.JPEG, "webp": OutputFormat.WEBP}
B64 = "b64_json"
# By the first words LiteLLM tells what it is.
_WRONG_KEY = "Incorrect API key provided: it is missing, unknown, expired or revoked."
_TOKEN_PIXELS = 16 * 16  # of which a FLUX transformer sees one token
_BYTES_PER_TEXT_TOKEN = 4

# Type and code where clients know words of OpenAI's own; elsewhere our code and one of two types.
_WORDS: Mapping[type[PlatformError], tuple[str, str]] = {
    InvalidKey: ("invalid_request_error", "invalid_api_key"),
    InsufficientCredits: ("insufficient_quota", "insufficient_quota"),
    RateLimited: ("requests", "rate_limit_exceeded"),
    PromptRefused: ("image_generation_user_error", "moderation_blocked"),
}


class JobCancelled(Conflict):
    """The request was cancelled."""

    code = "job_cancelled"


class TookTooLong(GenerationFailed):
    """The pictures were not ready in time; nothing was charged."""

    code = "timeout"


class Ending(GenerationFailed):
    """This process is about to end; ask again."""

    code = "shutting_down"


def failure(error: PlatformError, headers: Mapping[str, str] | None = None) -> Response:
    """An error as this dialect answers it; its clients retry by status, so they are told where that is no use."""
    told = dict(headers or {}) | retry_header(error)
    if isinstance(error, JobCancelled) or (isinstance(error, GenerationFailed) and not error.retryable):
        told["x-should-retry"] = "false"
    return JSONResponse(failure_body(error), status_of(error), told)


def failure_body(error: PlatformError) -> Body:
    """The error itself: all four of its fields are always there."""
    general = "invalid_request_error" if status_of(error) < 500 else "server_error"
    kind, code = next((_WORDS[each] for each in type(error).__mro__ if each in _WORDS), (general, error.code))
    message = _WRONG_KEY if isinstance(error, InvalidKey) else error.message
    return {"error": {"message": message, "type": kind, "param": error.field, "code": code}}


def failure_of(job: Job) -> PlatformError | None:
    """Why a job that has ended brings no pictures; None where it does."""
    if job.state is JobState.SUCCEEDED:
        return None
    if job.error is None:
        return JobCancelled()
    if (moderated := job.error.moderated) is not None:
        return moderated
    failed = GenerationFailed(job.error.message)
    failed.code, failed.retryable = job.error.code, job.error.retryable
    return failed


async def pictures(door: Door, job: Job) -> Body:
    """The answer to a request whose job has succeeded; raises `Gone` where its images are there no more."""
    if job.is_gone(door.clock.now()):
        raise Gone
    if job.terms.remarks["response_format"] == B64:
        shown = [{B64: text} for text in await in_base64(door, job.shown)]
    else:
        shown = [{"url": door.output_url(job, image)} for image in job.shown]
    revised = {} if job.request.asked_prompt is None else {"revised_prompt": job.request.prompt}
    told = [{**one, **revised} for one in shown]
    return {"created": int(job.created_at.timestamp()), "data": told, **facts(job), "usage": usage(job)}


def facts(job: Job) -> Body:
    """What a job's pictures are like, in the words that streamed events also have."""
    request = job.request
    return {
        "background": "opaque",
        "output_format": next(word for word, format in FORMATS.items() if format is request.format),
        "quality": job.terms.remarks["quality"],
        "size": f"{request.width}x{request.height}",
    }


def usage(job: Job) -> Body:
    """The tokens that a FLUX transformer sees, of the pictures exactly and of what goes in by a rule of thumb."""
    request = job.request
    tokens = -(-request.width * request.height // _TOKEN_PIXELS)
    text = -(-len(request.prompt.encode()) // _BYTES_PER_TEXT_TOKEN)
    shown = tokens * len(request.inputs) if request.task is not Task.GENERATE else 0
    made = tokens * len(job.shown)
    return {
        "input_tokens": text + shown,
        "input_tokens_details": {"text_tokens": text, "image_tokens": shown},
        "output_tokens": made,
        "total_tokens": text + shown + made,
    }

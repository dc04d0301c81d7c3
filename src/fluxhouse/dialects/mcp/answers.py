"""What a tool answers: words for the model, facts for programs, and the images themselves."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from fluxhouse.core.jobs import Job, JobState
from fluxhouse.dialects.dialect import Door
from fluxhouse.dialects.mcp.tools import STATUS
from fluxhouse.dialects.wire import instant
from fluxhouse.generation.credits import to_number
from fluxhouse.generation.errors import PlatformError, UnknownFile

DIALECT = "mcp"
JOB_PREFIX = "job_"
_MOST_BYTES = 8 * 1024 * 1024  # of images in one answer; what is beyond is named by its address alone


@dataclass(frozen=True, slots=True)
class ToolAnswer:
    """`text` for the model to read, `pictures` as (base64, media type), `facts` for programs."""

    text: str
    facts: Mapping[str, Any]
    pictures: list[tuple[str, str]] = field(default_factory=list)
    failed: bool = False


async def told(door: Door, job: Job) -> ToolAnswer:
    """How the job stands, with its images where there are any to show."""
    facts: dict[str, Any] = {"job_id": JOB_PREFIX + job.id, "status": job.state.value, "model": job.model}
    if job.state is JobState.FAILED and job.error is not None:
        facts["error"] = {"code": job.error.code, "message": job.error.message}
        text = f"{job.error.code}: {job.error.message} Nothing was charged."
        return ToolAnswer(text, facts, failed=True)
    if job.state is JobState.CANCELLED:
        return ToolAnswer("The job was cancelled; nothing was charged.", facts)
    if job.state is not JobState.SUCCEEDED:
        words = f"The job {facts['job_id']} is {job.state.value}. Call `{STATUS}` with this id for its images."
        return ToolAnswer(words, facts)
    if job.is_gone(door.clock.now()):
        return ToolAnswer("The images have expired or were deleted.", facts, failed=True)
    urls = [door.output_url(job, image) for image in job.shown]
    seeds = [image.seed for image in job.shown]
    charged = to_number(job.captured_micro or 0)
    facts |= {"images": urls, "seeds": seeds, "credits": charged, "expiresAt": instant(job.expires_at)}
    text = f"{len(urls)} made with {job.model} for {charged} credits, seeds {seeds}; kept until {facts['expiresAt']}:"
    lines = [text, *urls]
    if withheld := len(job.images) - len(urls):
        lines.append(f"{withheld} more looked unsafe and were withheld, free of charge.")
    return ToolAnswer("\n".join(lines), facts, await _pictures(door, job))


async def _pictures(door: Door, job: Job) -> list[tuple[str, str]]:
    shown: list[tuple[str, str]] = []
    left = _MOST_BYTES
    for image in job.shown:
        try:
            content = await door.storage.get(image.key)
        except UnknownFile:
            continue
        left -= len(content)
        if left < 0:
            break
        shown.append((base64.b64encode(content).decode(), image.content_type))
    return shown


def refusal(error: PlatformError) -> ToolAnswer:
    """An error that the model can read, and mend its call by."""
    facts: dict[str, Any] = {"error": {"code": error.code, "message": error.message}}
    if error.field is not None:
        facts["error"]["field"] = error.field
    return ToolAnswer(f"{error.code}: {error.message}", facts, failed=True)

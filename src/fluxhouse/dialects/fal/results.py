"""fal's answers: a request's status, its logs, its result, and the message that a webhook tells."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from fluxhouse.core.jobs import Job, JobState
from fluxhouse.dialects.answering import as_uuid, in_base64
from fluxhouse.dialects.dialect import Door
from fluxhouse.dialects.fal.problems import failure_of, worded
from fluxhouse.dialects.fal.spelling import SYNC_MODE, addresses
from fluxhouse.generation.errors import Gone

Body = dict[str, Any]

IN_QUEUE, IN_PROGRESS, COMPLETED = "IN_QUEUE", "IN_PROGRESS", "COMPLETED"


def status(door: Door, job: Job, position: int | None, *, with_logs: bool) -> Body:
    """How a request stands; `position` is how many wait before it. Clients ask for `logs` even where they are null."""
    known = addresses(door, job)
    if job.state is JobState.QUEUED:
        return {"status": IN_QUEUE, **known, "queue_position": position or 0}
    body: Body = {"status": COMPLETED if job.state.terminal else IN_PROGRESS, **known}
    body["logs"] = logs(door, job) if with_logs else None
    if job.state.terminal:
        body["metrics"] = {} if job.inference_seconds is None else {"inference_time": job.inference_seconds}
        body |= _ended_badly(job)
    return body


def logs(door: Door, job: Job) -> list[Body]:
    """What a request that has begun has to say: its seed, and how far it is."""
    if job.started_at is None:
        return []
    lines = [_line(f"Using seed: {job.request.seed}", job.started_at)]
    step = door.feed.step(job.id)
    if job.state is JobState.SUCCEEDED and job.finished_at is not None:
        lines.append(_line(f"100% {len(job.images)} of {job.request.count} images", job.finished_at))
    elif job.state is JobState.RUNNING and step is not None:
        done, total = step.index * step.steps + step.step, job.request.count * step.steps
        lines.append(_line(f"{100 * done // total}% {done}/{total} steps", door.clock.now()))
    return lines


async def result(door: Door, job: Job) -> Body:
    """The output of a request that has succeeded; raises `Gone` where its images are there no more."""
    if job.is_gone(door.clock.now()):
        raise Gone
    return output(job, await (_data_uris(door, job) if job.terms.remarks[SYNC_MODE] else _urls(door, job)))


def output(job: Job, urls: Sequence[str]) -> Body:
    """The output, by the addresses of its images."""
    images = [
        {
            "url": url,
            "width": image.width,
            "height": image.height,
            "content_type": image.content_type,
            "file_name": image.key.rpartition("/")[2],
            "file_size": image.size_bytes,
        }
        for image, url in zip(job.images, urls, strict=True)
    ]
    return {
        "images": images,
        "timings": {} if job.inference_seconds is None else {"inference": job.inference_seconds},
        "seed": job.request.seed,
        "has_nsfw_concepts": [image.nsfw for image in job.images],
        "prompt": job.request.prompt,
    }


def told(door: Door, job: Job) -> Mapping[str, Any]:
    """What an ended request's webhook tells; images by their addresses, in sync mode too."""
    request_id = as_uuid(job.id)
    known: Body = {"request_id": request_id, "gateway_request_id": request_id}
    failed = failure_of(job)
    if failed is None:
        return {**known, "status": "OK", "payload": output(job, [door.output_url(job, image) for image in job.images])}
    code, body = worded(failed)
    return {**known, "status": "ERROR", "error": f"Invalid status code: {code}", "payload": body}


def _ended_badly(job: Job) -> Body:
    failed = failure_of(job)
    if failed is None:
        return {}
    _code, body = worded(failed)
    return {"error": failed.message, "error_type": body.get("error_type") or body["detail"][0]["type"]}


async def _urls(door: Door, job: Job) -> list[str]:
    return [door.output_url(job, image) for image in job.images]


async def _data_uris(door: Door, job: Job) -> list[str]:
    texts = await in_base64(door, job.images)
    return [f"data:{image.content_type};base64,{text}" for image, text in zip(job.images, texts, strict=True)]


def _line(message: str, at: datetime) -> Body:
    return {"message": message, "level": "INFO", "source": "app", "timestamp": at.isoformat(timespec="microseconds")}

"""A prediction's body: a job as Replicate words it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fluxhouse.core.jobs import Job, JobState
from fluxhouse.dialects.dialect import Door
from fluxhouse.dialects.replicate.addresses import Addresses
from fluxhouse.dialects.replicate.hosted import Hosted, version_of
from fluxhouse.dialects.replicate.spelling import moment, spelled
from fluxhouse.generation.errors import ContentModerated

Body = dict[str, Any]

_STATUSES: Mapping[JobState, str] = {
    JobState.QUEUED: "starting",
    JobState.RUNNING: "processing",
    JobState.SUCCEEDED: "succeeded",
    JobState.FAILED: "failed",
    JobState.CANCELLED: "canceled",
}
_WITHHELD = "NSFW content detected. Try running it again, or try a different prompt."
_BAR = 10  # characters of a progress bar
_DATA_SHOWN = 64  # characters of a data URI that an input is echoed with


def remarks(hosted: Hosted, sent: Mapping[str, Any]) -> dict[str, Any]:
    """What this dialect keeps of a submit: who was asked, and the input to be echoed, without what pictures weigh."""
    known = {parameter.name: sent[parameter.name] for parameter in hosted.parameters if parameter.name in sent}
    return {"model": hosted.full_name, "single": hosted.hosting.single, "input": _lightened(known)}


def prediction(door: Door, job: Job) -> Body:
    """A job as GET answers it, and as webhooks tell it."""
    kept = job.terms.remarks
    model = kept.get("model", f"black-forest-labs/{job.model}")
    removed = job.is_gone(door.clock.now())
    body: Body = {
        "id": spelled(job.id),
        "model": model,
        "version": version_of(model),
        "input": {} if removed else kept.get("input", {"prompt": job.request.prompt, "seed": job.request.seed}),
        "logs": "" if removed else _logs(door, job),
        "output": None if removed else _output(door, job),
        "data_removed": removed,
        "error": error_of(job),
        "status": status_of_job(job),
        "source": "api",
        "created_at": moment(job.created_at),
        "metrics": _metrics(job),
        "urls": Addresses(door).prediction(job),
    }
    known = {"started_at": job.started_at, "completed_at": job.finished_at, "deadline": job.deadline_at}
    return body | {name: moment(at) for name, at in known.items() if at is not None}


def status_of_job(job: Job) -> str:
    """The vendor's word; `aborted` is a prediction whose deadline came before it had started."""
    late = job.deadline_at is not None and job.finished_at is not None and job.deadline_at <= job.finished_at
    if job.state is JobState.CANCELLED and job.started_at is None and late:
        return "aborted"
    return _STATUSES[job.state]


def error_of(job: Job) -> str | None:
    """Why the prediction failed, in the vendor's words where all of its images were withheld."""
    if job.error is None:
        return None
    return _WITHHELD if isinstance(job.error.moderated, ContentModerated) else job.error.message


def output_urls(door: Door, job: Job) -> list[str]:
    """Where the job's images are, in order; withheld ones are left out."""
    return [door.output_url(job, image) for image in job.shown]


def _output(door: Door, job: Job) -> list[str] | str | None:
    urls = output_urls(door, job)
    if not urls:
        return None
    return urls[0] if job.terms.remarks.get("single") else urls


def _metrics(job: Job) -> Body:
    """Seconds of work and in all, and the number of images; what is not known yet is absent."""
    found: Body = {}
    if job.inference_seconds is not None:
        found["predict_time"] = job.inference_seconds
    if job.finished_at is not None:
        found["total_time"] = (job.finished_at - job.created_at).total_seconds()
    if job.shown:
        found["image_count"] = len(job.shown)
    return found


def _logs(door: Door, job: Job) -> str:
    """The seed, and a line of progress as clients parse it."""
    if job.started_at is None:
        return ""
    lines = [f"Using seed: {job.request.seed}"]
    step = door.feed.step(job.id)
    if job.state is JobState.SUCCEEDED:
        serving = door.options.serving.get(job.request.model)
        total = job.request.count * (job.request.steps or (serving.steps if serving else 1))
        lines.append(_progress(total, total))
    elif job.state is JobState.RUNNING and step is not None:
        lines.append(_progress(step.index * step.steps + step.step, job.request.count * step.steps))
    return "\n".join(lines) + "\n"


def _progress(done: int, total: int) -> str:
    return f"{100 * done // total:3}%|{'█' * (_BAR * done // total):<{_BAR}}| {done}/{total}"


def _lightened(sent: Mapping[str, Any]) -> Body:
    heavy = {
        name: f"{value[:_DATA_SHOWN]}…"
        for name, value in sent.items()
        if isinstance(value, str) and value.startswith("data:") and len(value) > _DATA_SHOWN
    }
    return {**sent, **heavy}

"""What happens to a job on its way, as `wait` tells it; the last event is `Ended`."""

from __future__ import annotations

import base64
from dataclasses import dataclass
from datetime import datetime
from typing import Generic, TypeVar

from fluxhouse.client.facts import JobFacts
from fluxhouse.client.reading import Body

J = TypeVar("J", bound=JobFacts)


@dataclass(frozen=True, slots=True)
class StatusChanged:
    """The job is now `pending` or `processing`, in its attempt of that number where it is known."""

    status: str
    attempt: int | None = None
    at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Step:
    """`step` of `steps` is done of the image with that index, counted from 0; not every step is told."""

    index: int
    step: int
    steps: int


@dataclass(frozen=True, slots=True)
class Preview:
    """A small picture of what the image looks like after `step`."""

    index: int
    step: int
    content: bytes
    content_type: str


@dataclass(frozen=True, slots=True)
class ImageReady:
    """One image is finished and can be downloaded, before the job has ended."""

    index: int
    url: str


@dataclass(frozen=True, slots=True)
class Ended(Generic[J]):
    """The job has ended: completed, failed or cancelled."""

    job: J


Event = StatusChanged | Step | Preview | ImageReady


def event_of(name: str, body: Body) -> Event | None:
    """An event of the stream; None for a kind that a newer server has."""
    match name:
        case "status":
            at = body.get("at")
            return StatusChanged(
                body["status"], body.get("attempt"), None if at is None else datetime.fromisoformat(at)
            )
        case "step":
            return Step(body["image"], body["step"], body["steps"])
        case "preview":
            kind, _, encoded = body["preview"].removeprefix("data:").partition(";base64,")
            return Preview(body["image"], body["step"], base64.b64decode(encoded), kind)
        case "image":
            return ImageReady(body["image"], body["url"])
        case _:
            return None

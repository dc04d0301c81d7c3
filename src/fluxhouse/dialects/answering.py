"""What accents answer alike: ids as UUIDs, addresses of ours, images in base64, and the headers of a submit."""

from __future__ import annotations

import base64
import uuid
from collections.abc import Callable, Sequence

from fluxhouse.core.submit import Refused, Submitted
from fluxhouse.dialects.dialect import Door
from fluxhouse.dialects.wire import beside, rate_headers
from fluxhouse.generation.errors import Gone, UnknownFile, UnknownJob
from fluxhouse.generation.image import DeliveredImage


def as_uuid(job_id: str) -> str:
    """A job's id as a UUID."""
    return str(uuid.UUID(job_id))


def of_uuid(text: str) -> str:
    """The job's id behind a UUID; raises `UnknownJob`."""
    try:
        return uuid.UUID(text).hex
    except ValueError:
        raise UnknownJob from None


def address(door: Door, path: str) -> str:
    """A path, which begins with a slash, below the installation's public URL."""
    return door.options.public_url.rstrip("/") + path


async def in_base64(door: Door, images: Sequence[DeliveredImage]) -> Sequence[str]:
    """The files of images, in order; raises `Gone`."""
    try:
        files = [await door.storage.get(image.key) for image in images]
    except UnknownFile:
        raise Gone from None
    return await beside(sum(map(len, files)), lambda: [base64.b64encode(content).decode() for content in files])


def submit_headers(
    door: Door, answer: Submitted | Refused, spelled: Callable[[str], str] | None = None
) -> dict[str, str]:
    """How the caller's rate stands, which job it was where its id is `spelled`, and whether this is a repeat."""
    headers = rate_headers(answer.window, door.clock.now())
    if isinstance(answer, Submitted):
        if spelled is not None:
            headers["X-Job-Id"] = spelled(answer.job.id)
        if answer.replayed:
            headers["Idempotent-Replayed"] = "true"
    return headers

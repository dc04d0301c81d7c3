"""Where the bytes of a job's images lie, and how all of them go."""

from __future__ import annotations

from fluxhouse.generation.request import OutputFormat
from fluxhouse.storage.opening import Store

_ENDINGS = {format.content_type: format.value for format in OutputFormat}


def folder_of(job_id: str) -> str:
    """The prefix of every key under which an image of the job is kept."""
    return f"outputs/{job_id}/"


def key_of(job_id: str, index: int, content_type: str) -> str:
    """The key of image `index`, the same in every attempt, so that a later one overwrites what an earlier one left."""
    return f"{folder_of(job_id)}{index}.{_ENDINGS[content_type]}"


async def remove_all(store: Store, job_id: str) -> None:
    """Forget every image of the job, also those of an attempt that did not end well and that no row lists."""
    for key in [key async for key in store.keys(folder_of(job_id))]:
        await store.delete(key)

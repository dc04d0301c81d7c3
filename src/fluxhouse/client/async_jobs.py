"""Jobs and images of the asynchronous client: what is known of them, and reading the pictures themselves."""

from __future__ import annotations

from asyncio import to_thread
from collections.abc import Callable
from dataclasses import dataclass, field
from os import PathLike
from pathlib import Path

from fluxhouse.client.asking import write_picture
from fluxhouse.client.async_wire import AsyncWire
from fluxhouse.client.errors import JobCancelled, JobFailed
from fluxhouse.client.facts import ImageFacts, JobFacts
from fluxhouse.client.reading import Body, image_fields, job_fields


@dataclass(frozen=True, slots=True, kw_only=True)
class AsyncImage(ImageFacts):
    """A finished image; its bytes can be had until the job's output expires."""

    wire: AsyncWire = field(repr=False, compare=False)

    async def read(self) -> bytes:
        """The encoded picture; raises `Gone` once it has expired or was deleted."""
        return await self.wire.download(self.url)

    async def save(self, path: str | PathLike[str]) -> Path:
        """Write the picture to a file and return its path; raises `Gone`, or OSError.

        >>> await job.images[0].save("fox.png")
        """
        content = await self.read()
        return await to_thread(write_picture, path, content)


@dataclass(frozen=True, slots=True, kw_only=True)
class AsyncJob(JobFacts):
    """A job as it stood when the server was asked; `client.job(job.id)` asks again."""

    images: tuple[AsyncImage, ...] = ()

    def raise_for_failure(self) -> None:
        """Raise `JobFailed` or `JobCancelled` where the job has ended so."""
        if self.status == "failed":
            raise JobFailed(self)
        if self.status == "cancelled":
            raise JobCancelled(self)


def job_reader(wire: AsyncWire) -> Callable[[Body], AsyncJob]:
    """Reads jobs whose images are downloaded over that wire."""

    def read(body: Body) -> AsyncJob:
        images = tuple(AsyncImage(**facts, wire=wire) for facts in image_fields(body))
        return AsyncJob(**job_fields(body), images=images)

    return read

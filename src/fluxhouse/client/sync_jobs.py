"""Jobs and images of the synchronous client: what is known of them, and reading the pictures themselves."""

# Written by scripts/unasync.py from async_jobs.py, which is the one to change.

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from os import PathLike
from pathlib import Path

from fluxhouse.client.asking import write_picture
from fluxhouse.client.errors import JobCancelled, JobFailed
from fluxhouse.client.facts import ImageFacts, JobFacts
from fluxhouse.client.reading import Body, image_fields, job_fields
from fluxhouse.client.sync_wire import Wire


@dataclass(frozen=True, slots=True, kw_only=True)
class Image(ImageFacts):
    """A finished image; its bytes can be had until the job's output expires."""

    wire: Wire = field(repr=False, compare=False)

    def read(self) -> bytes:
        """The encoded picture; raises `Gone` once it has expired or was deleted."""
        return self.wire.download(self.url)

    def save(self, path: str | PathLike[str]) -> Path:
        """Write the picture to a file and return its path; raises `Gone`, or OSError.

        >>> job.images[0].save("fox.png")
        """
        content = self.read()
        return write_picture(path, content)


@dataclass(frozen=True, slots=True, kw_only=True)
class Job(JobFacts):
    """A job as it stood when the server was asked; `client.job(job.id)` asks again."""

    images: tuple[Image, ...] = ()

    def raise_for_failure(self) -> None:
        """Raise `JobFailed` or `JobCancelled` where the job has ended so."""
        if self.status == "failed":
            raise JobFailed(self)
        if self.status == "cancelled":
            raise JobCancelled(self)


def job_reader(wire: Wire) -> Callable[[Body], Job]:
    """Reads jobs whose images are downloaded over that wire."""

    def read(body: Body) -> Job:
        images = tuple(Image(**facts, wire=wire) for facts in image_fields(body))
        return Job(**job_fields(body), images=images)

    return read

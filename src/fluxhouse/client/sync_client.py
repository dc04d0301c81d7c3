"""The synchronous client: submits and follows jobs, uploads and downloads pictures."""

# Written by scripts/unasync.py from async_client.py, which is the one to change.

from __future__ import annotations

import os
from collections.abc import Generator
from contextlib import closing
from types import TracebackType
from typing import Any, Self
from uuid import uuid4

import httpx2

from fluxhouse.client.asking import Call, Picture, post, read_content, segment, write_picture
from fluxhouse.client.errors import Conflict, Timeout
from fluxhouse.client.events import Ended, Event
from fluxhouse.client.facts import File, ImageFacts, JobFacts
from fluxhouse.client.reading import file_of
from fluxhouse.client.retry import Deadline, Retry
from fluxhouse.client.sync_following import Follower
from fluxhouse.client.sync_jobs import Job
from fluxhouse.client.sync_loras import Loras
from fluxhouse.client.sync_reads import Reads
from fluxhouse.client.sync_wire import Wire

KEY_VARIABLE = "FLUXHOUSE_API_KEY"
URL_VARIABLE = "FLUXHOUSE_API_URL"
LOCAL_URL = "http://127.0.0.1:8000"


class Client(Reads, Loras):
    """An installation of Fluxhouse, for programs; each call raises `FluxhouseError`.

    `api_key` and `url` come from `FLUXHOUSE_API_KEY` and `FLUXHOUSE_API_URL` where they are not given, and the address
    is else that of a server on this machine. `timeout` is seconds without an answer to one attempt, `retry` how hard to
    try again, `transport` another way to send. Threads may share it; close it, or use it in a `with` block.

    >>> with Client() as client:
    ...     job = client.run("flux-dev", "a fox in the snow")
    ...     job.images[0].save("fox.png")
    """

    def __init__(
        self,
        api_key: str | None = None,
        url: str | None = None,
        *,
        timeout: float = 60.0,
        retry: Retry | None = None,
        transport: httpx2.BaseTransport | None = None,
    ) -> None:
        address = url or os.environ.get(URL_VARIABLE) or LOCAL_URL
        if not address.startswith(("http://", "https://")):
            raise ValueError(f"`url` must begin with http:// or https://, not {address!r}")
        key = api_key or os.environ.get(KEY_VARIABLE) or None
        super().__init__(Wire(address, key, timeout, retry or Retry(), transport))

    def run(
        self,
        model: str,
        /,
        prompt: str | None = None,
        *,
        timeout: float | None = None,
        idempotency_key: str | None = None,
        **parameters: Any,
    ) -> Job:
        """Submit, wait for the end and return the completed job; `parameters` are the model's own.

        Raises `JobFailed`, `JobCancelled`, and `Timeout` after so many seconds: the job then goes on.
        Breaking off does not cancel it either.

        >>> job = client.run("flux-dev", "a fox in the snow", aspect_ratio="16:9", seed=7)
        """
        deadline = Deadline(timeout)
        # Not `Prefer: wait`: there a broken connection cancels the job, and here it shall not.
        job = self._submit(model, {"prompt": prompt, **parameters}, idempotency_key, deadline)
        with closing(Follower(self._wire, job.id, deadline).events()) as events:
            for event in events:
                if isinstance(event, Ended):
                    event.job.raise_for_failure()
                    return event.job
        raise Timeout(f"The job {job.id} was not followed to its end.", job.id)

    def submit(
        self,
        model: str,
        /,
        prompt: str | None = None,
        *,
        idempotency_key: str | None = None,
        **parameters: Any,
    ) -> Job:
        """Submit and return at once; the job is durable then. However often it is sent, it is one job and one charge.

        >>> job = client.submit("flux-schnell", "a lighthouse", num_outputs=4)
        """
        return self._submit(model, {"prompt": prompt, **parameters}, idempotency_key, Deadline(None))

    def wait(self, job: Job | str, timeout: float | None = None) -> Generator[Event | Ended[Job], None, None]:
        """What happens to the job until it has ended, however it ends; the last event is `Ended` and has the job.

        Raises `Timeout` after so many seconds, at most two later. To stop listening does nothing to the job.

        >>> for event in client.wait(job):
        ...     match event:
        ...         case Step(index, step, steps):
        ...             print(f"image {index}: {step} of {steps}")
        ...         case Ended(job):
        ...             print(job.status)
        """
        return Follower(self._wire, _id(job), Deadline(timeout)).events()

    def cancel(self, job: Job | str) -> Job:
        """Ask for the end of a job: one that waits is cancelled at once, one that runs at its next step.

        Raises `Conflict` where it has ended otherwise.
        """
        job_id = _id(job)
        try:
            return self._wire.ask(Call("DELETE", f"jobs/{segment(job_id)}"), self._read_job)
        except Conflict:
            # Perhaps by an earlier attempt whose answer was lost.
            ended = self.job(job_id)
            if ended.status != "cancelled":
                raise
            return ended

    def upload(self, picture: Picture) -> File:
        """Hand in a picture, by path, as bytes or as an open binary file, to be given as an input image.

        >>> photo = client.upload("photo.jpg")
        >>> job = client.run("flux-kontext-dev", "make it night", input_image=photo)
        """
        content = read_content(picture)
        # Sent again after a lost answer it may be kept twice, which costs nothing and ends when it expires.
        headers = {"Content-Type": "application/octet-stream"}
        return self._wire.ask(Call("POST", "files", headers=headers, content=content), file_of)

    def download(self, image: ImageFacts | str, to: str | os.PathLike[str] | None = None) -> bytes:
        """The bytes of an image, or of an image's address, also written to the path `to`; raises `Gone`."""
        content = self._wire.download(image if isinstance(image, str) else image.url)
        if to is not None:
            write_picture(to, content)
        return content

    def close(self) -> None:
        """Close the connections."""
        self._wire.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _submit(self, model: str, parameters: dict[str, Any], idempotency_key: str | None, deadline: Deadline) -> Job:
        key = uuid4().hex if idempotency_key is None else idempotency_key
        call = post(f"models/{segment(model)}/run", parameters, Idempotency_Key=key)
        return self._wire.ask(call, lambda body: self._read_job({"model": model, **body}), deadline)


def _id(job: JobFacts | str) -> str:
    return job if isinstance(job, str) else job.id

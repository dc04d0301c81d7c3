"""The asynchronous client: submits and follows jobs, uploads and downloads pictures."""

from __future__ import annotations

import os
from asyncio import to_thread
from collections.abc import AsyncGenerator
from contextlib import aclosing
from types import TracebackType
from typing import Any, Self
from uuid import uuid4

import httpx2

from fluxhouse.client.asking import Call, Picture, post, read_content, segment, write_picture
from fluxhouse.client.async_following import AsyncFollower
from fluxhouse.client.async_jobs import AsyncJob
from fluxhouse.client.async_loras import AsyncLoras
from fluxhouse.client.async_reads import AsyncReads
from fluxhouse.client.async_wire import AsyncWire
from fluxhouse.client.errors import Conflict, Timeout
from fluxhouse.client.events import Ended, Event
from fluxhouse.client.facts import File, ImageFacts, JobFacts
from fluxhouse.client.reading import file_of
from fluxhouse.client.retry import Deadline, Retry

KEY_VARIABLE = "FLUXHOUSE_API_KEY"
URL_VARIABLE = "FLUXHOUSE_API_URL"
LOCAL_URL = "http://127.0.0.1:8000"


class AsyncClient(AsyncReads, AsyncLoras):
    """An installation of Fluxhouse, for programs; each call raises `FluxhouseError`.

    `api_key` and `url` come from `FLUXHOUSE_API_KEY` and `FLUXHOUSE_API_URL` where they are not given, and the address
    is else that of a server on this machine. `timeout` is seconds without an answer to one attempt, `retry` how hard to
    try again, `transport` another way to send. Under asyncio only; close it, or use it in a `with` block.

    >>> async with AsyncClient() as client:
    ...     job = await client.run("flux-dev", "a fox in the snow")
    ...     await job.images[0].save("fox.png")
    """

    def __init__(
        self,
        api_key: str | None = None,
        url: str | None = None,
        *,
        timeout: float = 60.0,
        retry: Retry | None = None,
        transport: httpx2.AsyncBaseTransport | None = None,
    ) -> None:
        address = url or os.environ.get(URL_VARIABLE) or LOCAL_URL
        if not address.startswith(("http://", "https://")):
            raise ValueError(f"`url` must begin with http:// or https://, not {address!r}")
        key = api_key or os.environ.get(KEY_VARIABLE) or None
        super().__init__(AsyncWire(address, key, timeout, retry or Retry(), transport))

    async def run(
        self,
        model: str,
        /,
        prompt: str | None = None,
        *,
        timeout: float | None = None,  # noqa: ASYNC109 - one interface in both colours
        idempotency_key: str | None = None,
        **parameters: Any,
    ) -> AsyncJob:
        """Submit, wait for the end and return the completed job; `parameters` are the model's own.

        Raises `JobFailed`, `JobCancelled`, and `Timeout` after so many seconds: the job then goes on.
        Breaking off does not cancel it either.

        >>> job = await client.run("flux-dev", "a fox in the snow", aspect_ratio="16:9", seed=7)
        """
        deadline = Deadline(timeout)
        # Not `Prefer: wait`: there a broken connection cancels the job, and here it shall not.
        job = await self._submit(model, {"prompt": prompt, **parameters}, idempotency_key, deadline)
        async with aclosing(AsyncFollower(self._wire, job.id, deadline).events()) as events:
            async for event in events:
                if isinstance(event, Ended):
                    event.job.raise_for_failure()
                    return event.job
        raise Timeout(f"The job {job.id} was not followed to its end.", job.id)

    async def submit(
        self,
        model: str,
        /,
        prompt: str | None = None,
        *,
        idempotency_key: str | None = None,
        **parameters: Any,
    ) -> AsyncJob:
        """Submit and return at once; the job is durable then. However often it is sent, it is one job and one charge.

        >>> job = await client.submit("flux-schnell", "a lighthouse", num_outputs=4)
        """
        return await self._submit(model, {"prompt": prompt, **parameters}, idempotency_key, Deadline(None))

    def wait(self, job: AsyncJob | str, timeout: float | None = None) -> AsyncGenerator[Event | Ended[AsyncJob], None]:
        """What happens to the job until it has ended, however it ends; the last event is `Ended` and has the job.

        Raises `Timeout` after so many seconds, at most two later. To stop listening does nothing to the job.

        >>> async for event in client.wait(job):
        ...     match event:
        ...         case Step(index, step, steps):
        ...             print(f"image {index}: {step} of {steps}")
        ...         case Ended(job):
        ...             print(job.status)
        """
        return AsyncFollower(self._wire, _id(job), Deadline(timeout)).events()

    async def cancel(self, job: AsyncJob | str) -> AsyncJob:
        """Ask for the end of a job: one that waits is cancelled at once, one that runs at its next step.

        Raises `Conflict` where it has ended otherwise.
        """
        job_id = _id(job)
        try:
            return await self._wire.ask(Call("DELETE", f"jobs/{segment(job_id)}"), self._read_job)
        except Conflict:
            # Perhaps by an earlier attempt whose answer was lost.
            ended = await self.job(job_id)
            if ended.status != "cancelled":
                raise
            return ended

    async def upload(self, picture: Picture) -> File:
        """Hand in a picture, by path, as bytes or as an open binary file, to be given as an input image.

        >>> photo = await client.upload("photo.jpg")
        >>> job = await client.run("flux-kontext-dev", "make it night", input_image=photo)
        """
        content = await to_thread(read_content, picture)
        # Sent again after a lost answer it may be kept twice, which costs nothing and ends when it expires.
        headers = {"Content-Type": "application/octet-stream"}
        return await self._wire.ask(Call("POST", "files", headers=headers, content=content), file_of)

    async def download(self, image: ImageFacts | str, to: str | os.PathLike[str] | None = None) -> bytes:
        """The bytes of an image, or of an image's address, also written to the path `to`; raises `Gone`."""
        content = await self._wire.download(image if isinstance(image, str) else image.url)
        if to is not None:
            await to_thread(write_picture, to, content)
        return content

    async def aclose(self) -> None:
        """Close the connections."""
        await self._wire.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    async def _submit(
        self, model: str, parameters: dict[str, Any], idempotency_key: str | None, deadline: Deadline
    ) -> AsyncJob:
        key = uuid4().hex if idempotency_key is None else idempotency_key
        call = post(f"models/{segment(model)}/run", parameters, Idempotency_Key=key)
        return await self._wire.ask(call, lambda body: self._read_job({"model": model, **body}), deadline)


def _id(job: JobFacts | str) -> str:
    return job if isinstance(job, str) else job.id

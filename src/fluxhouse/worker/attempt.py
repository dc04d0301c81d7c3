"""One attempt at a job: have its images made, hand each over to storage, and say how it ended."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import aclosing
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

from fluxhouse.core import jobs
from fluxhouse.core.feed import Feed, Hint, ImageReady, StateChanged
from fluxhouse.core.jobs import Job
from fluxhouse.database.database import Database
from fluxhouse.generation.backend import Finished, Preview, Progress, StepDone
from fluxhouse.generation.errors import StorageUnavailable
from fluxhouse.generation.image import DeliveredImage, MadeImage
from fluxhouse.generation.upsampler import Upsampler
from fluxhouse.storage.opening import Store
from fluxhouse.storage.outputs import key_of
from fluxhouse.tracing.spans import span
from fluxhouse.worker.course import Course
from fluxhouse.worker.patience import patiently
from fluxhouse.worker.upsampling import upsampled

T = TypeVar("T")

_STEP_HINT_SECONDS = 0.25
_OUTAGE_SECONDS = 60.0  # how long a store that is out of reach is waited for, beyond its own patience
_LOOK_AGAIN_SECONDS = 5.0  # hints may be lost; the row is the truth


@dataclass(slots=True)
class Means:
    """What an attempt works with: the rooms below, and its course along the backends."""

    database: Database
    storage: Store
    feed: Feed
    course: Course
    upsampler: Upsampler | None = None


class Attempt:
    """A claimed job in the making. `images` are those whose bytes are durable, `seconds` the backend's work."""

    def __init__(self, job: Job, means: Means) -> None:
        self.job = job
        self.images: list[DeliveredImage] = []
        self.seconds: float | None = None
        self._means = means
        self._last_step_at = -_STEP_HINT_SECONDS

    async def run(self) -> bool:
        """True when every image is made, False when the job was asked to stop or has been taken away.

        Raises what the backend or the storage raised. Cancelling it stops the backend within one step.
        """
        with self._means.feed.subscribe(self.job.id) as hints:
            if not await self._is_wanted():
                return False
            made = asyncio.create_task(self._make())
            stopped = asyncio.create_task(self._stop_asked(hints))
            try:
                await asyncio.wait({made, stopped}, return_when=asyncio.FIRST_COMPLETED)
                in_time = made.done()
            finally:
                made.cancel()
                stopped.cancel()
                await asyncio.gather(made, stopped, return_exceptions=True)
        if in_time:
            made.result()
        else:
            stopped.result()
        return in_time

    async def _make(self) -> None:
        job = await upsampled(self.job, self._means.upsampler, self._means.database)
        if job is None:
            return  # Taken away: what this attempt says of its end counts for nothing either.
        self.job, request = job, job.request
        keys = [*request.inputs, *(lora.path for lora in request.loras)]
        inputs = [await _surely(partial(self._means.storage.path, key)) for key in keys]
        async with aclosing(self._means.course.progress(request, inputs)) as progress:
            async for event in progress:
                await self._pass_on(event)

    async def _pass_on(self, event: Progress) -> None:
        match event:
            case StepDone():
                self._pass_step_on(event)
            case Preview():
                self._means.feed.publish(self.job.id, event)
            case MadeImage():
                await self._deliver(event)
            case Finished():
                self.seconds = event.inference_seconds

    def _pass_step_on(self, step: StepDone) -> None:
        """At most four a second, and always an image's last."""
        now = asyncio.get_running_loop().time()
        if step.step == step.steps or now - self._last_step_at >= _STEP_HINT_SECONDS:
            self._last_step_at = now
            self._means.feed.publish(self.job.id, step)

    async def _deliver(self, image: MadeImage) -> None:
        key = key_of(self.job.id, image.index, image.content_type)
        with span("store", self.job.id, image=image.index, bytes=len(image.content)):
            await _surely(lambda: self._means.storage.put(key, image.content))
        # A second backend on the course makes again what the first had made.
        self.images = [known for known in self.images if known.index != image.index]
        self.images.append(
            DeliveredImage(
                index=image.index,
                key=key,
                content_type=image.content_type,
                width=image.width,
                height=image.height,
                seed=image.seed,
                size_bytes=len(image.content),
                nsfw=image.nsfw,
                withheld=image.withheld,
            )
        )
        self._means.feed.publish(self.job.id, ImageReady(image.index, key))

    async def _stop_asked(self, hints: asyncio.Queue[Hint]) -> None:
        """Return once somebody asked the job to stop, or once it is no longer ours."""
        while await self._is_wanted():
            await _state_changed(hints)

    async def _is_wanted(self) -> bool:
        row = await self._means.database.read(lambda connection: jobs.get(connection, self.job.id))
        return row.cancel_requested_at is None and row.attempt == self.job.attempt and not row.state.terminal


async def _surely(ask: Callable[[], Awaitable[T]]) -> T:
    """What the store says, once it can be reached: a short outage must not cost a picture that is made already."""
    return await patiently(ask, StorageUnavailable, _OUTAGE_SECONDS, "store_waited_for")


async def _state_changed(hints: asyncio.Queue[Hint]) -> None:
    """Return at the next word of a change, or after a while without one."""
    try:
        async with asyncio.timeout(_LOOK_AGAIN_SECONDS):
            while not isinstance(await hints.get(), StateChanged):
                pass
    except TimeoutError:
        return

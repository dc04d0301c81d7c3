"""The engine as a Backend: keeps its process alive, and passes requests to it; torch-free."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing
from pathlib import Path

import structlog

from fluxhouse.engine.child import Child, spawn
from fluxhouse.engine.options import EngineOptions
from fluxhouse.engine.trajectory import check
from fluxhouse.generation.backend import Progress, Serving
from fluxhouse.generation.errors import EngineDied, GenerationFailed, WeightsUnavailable
from fluxhouse.generation.moderation import Moderation
from fluxhouse.generation.request import GenerationRequest

log = structlog.get_logger(__name__)

_FIRST_PAUSE_SECONDS = 0.5
_LONGEST_PAUSE_SECONDS = 30.0
_SENT_AT_MOST = 4
_STARTED_AT_MOST = 4
_HEALTHY_SECONDS = 60.0
"""A process that finished a request or lived this long was well: its restart is not delayed."""


class Engine:
    """Makes images on our own device, in a process that may die and is started again."""

    def __init__(self, options: EngineOptions) -> None:
        self._options = options
        self._child: Child | None = None
        self._alive = asyncio.Event()
        self._keeper: asyncio.Task[None] | None = None
        self.starts = 0
        """How often the process was ready since this object was made; all but the first are restarts."""

    @property
    def name(self) -> str:
        return self._options.name

    @property
    def slots(self) -> int:
        return self._options.slots

    @property
    def ready(self) -> bool:
        """Whether the process lives and has made its test images."""
        return self._alive.is_set()

    @property
    def pid(self) -> int | None:
        """The process, or None while there is none."""
        return None if self._child is None else self._child.pid

    @property
    def serving(self) -> Mapping[str, Serving]:
        """What holds for each model id where a request names no steps or guidance, and who moderates."""
        moderation = Moderation.NONE if self._options.checker is None else Moderation.CHECKER
        return {
            model: Serving(self._options.name, weights.steps, weights.guidance, moderation)
            for model, weights in self._options.models.items()
        }

    async def start(self) -> None:
        """Start the process and wait until it has made its test images.

        Raises WeightsUnavailable, or EngineDied where the process ended again and again; the engine is then as before
        `start`.
        """
        if self._keeper is None:
            await self._raise_first_child()
            self._keeper = asyncio.create_task(self._keep_alive())

    async def close(self) -> None:
        """End the process; every open `generate` raises EngineDied."""
        if self._keeper is not None:
            self._keeper.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._keeper
            self._keeper = None
        self._alive.clear()
        child, self._child = self._child, None
        if child is not None:
            await child.end()

    async def generate(self, request: GenerationRequest, inputs: Sequence[Path]) -> AsyncGenerator[Progress, None]:
        """As the protocol has it; where the process is being started again, it waits for that.

        A request that waited while another ended the process is sent to the next one, a few times.
        """
        if request.model not in self._options.models:
            raise WeightsUnavailable(f"This engine holds no weights for {request.model}.", field="model")
        check(request, tuple(inputs), self._options.max_pixels)
        for left in reversed(range(_SENT_AT_MOST)):
            child = await self._living_child()
            try:
                async with aclosing(child.generate(request, inputs)) as progress:
                    async for event in progress:
                        yield event
                return
            except EngineDied as death:
                # Nothing of it was yielded where it was not on the device.
                if death.on_device or self._keeper is None or left == 0:
                    raise

    async def _living_child(self) -> Child:
        if self._keeper is None:
            raise GenerationFailed("The engine is not started.")
        try:
            async with asyncio.timeout(self._options.start_seconds):
                while True:
                    await self._alive.wait()
                    if self._child is not None and not self._child.gone.is_set():
                        return self._child
                    # It has just ended and the keeper has not yet heard of it.
                    await asyncio.sleep(0)
        except TimeoutError:
            raise GenerationFailed("The engine is not ready.") from None

    async def _raise_first_child(self) -> None:
        """Start the process, again where it is killed while it loads: that says nothing against the weights."""
        for attempt in range(1, _STARTED_AT_MOST + 1):
            try:
                return await self._raise_child()
            except EngineDied as error:
                if attempt == _STARTED_AT_MOST:
                    raise
                log.warning("engine_died", engine=self.name, reason=error.message)
                await asyncio.sleep(_FIRST_PAUSE_SECONDS * attempt)
        return None

    async def _raise_child(self) -> None:
        child = await spawn(self._options)
        self._child = child
        try:
            async with asyncio.timeout(self._options.start_seconds):
                await child.load(self._options)
        except BaseException as error:
            self._child = None
            await child.end()
            if isinstance(error, TimeoutError):
                raise EngineDied("The engine process took too long to load the weights.") from error
            raise
        self._alive.set()
        self.starts += 1
        log.info("engine_ready", engine=self.name, pid=child.pid, landlock=child.landlock)

    async def _keep_alive(self) -> None:
        """Start the process again whenever it has ended, more slowly the more often it ends."""
        clock = asyncio.get_running_loop()
        pause, raised_at = 0.0, clock.time()
        while True:
            if self._child is not None:
                await self._child.gone.wait()
                self._alive.clear()
                dead, self._child = self._child, None
                await dead.end()
                log.warning("engine_died", engine=self.name, pid=dead.pid)
                if dead.has_finished or clock.time() - raised_at > _HEALTHY_SECONDS:
                    pause = 0.0
            await asyncio.sleep(pause)
            pause = min(_LONGEST_PAUSE_SECONDS, pause * 2 or _FIRST_PAUSE_SECONDS)
            try:
                await self._raise_child()
                raised_at = clock.time()
            except (GenerationFailed, OSError) as error:
                log.error("engine_not_started", engine=self.name, error=str(error), pause_seconds=pause)

"""The course of one job along its route: the next backend where one cannot, later where none can now."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import structlog

from fluxhouse.core.jobs import Job
from fluxhouse.generation.backend import Backend, Progress
from fluxhouse.generation.errand import Remote
from fluxhouse.generation.errors import EngineDied, GenerationFailed, ProviderFailed, ProviderUnavailable
from fluxhouse.generation.request import GenerationRequest
from fluxhouse.worker.errands import JobErrands
from fluxhouse.worker.gate import Gate

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Stop:
    """A backend and its gate."""

    backend: Backend
    gate: Gate


@dataclass(frozen=True, slots=True)
class CourseOptions:
    """`after_charge`: whether the next backend is asked even where a provider may charge for what it did not bring.

    `patience_seconds` is how long a job waits for providers none of which can take it, looking again ever more rarely.
    """

    after_charge: bool = False
    patience_seconds: float = 900.0
    pause_seconds: float = 1.0
    longest_pause_seconds: float = 5.0


class Course:
    """One attempt's way along its stops. `served_by` is who was asked last."""

    def __init__(self, job: Job, stops: Sequence[Stop], errands: JobErrands, options: CourseOptions) -> None:
        self.served_by = stops[0].backend.name
        self._job = job
        self._stops = stops
        self._errands = errands
        self._options = options

    async def progress(self, request: GenerationRequest, inputs: Sequence[Path]) -> AsyncGenerator[Progress, None]:
        """What the first backend yields that can; raises what the last one raised.

        Images that a backend yielded before it failed are yielded again by the next one.
        """
        loop, pause = asyncio.get_running_loop(), self._options.pause_seconds
        deadline = loop.time() + self._options.patience_seconds
        stops = await self._in_order()
        while True:
            waiting: list[Stop] = []
            for stop in stops:
                self.served_by = stop.backend.name
                try:
                    async with aclosing(self._made_at(stop, request, inputs)) as events:
                        async for event in events:
                            yield event
                    return
                except GenerationFailed as error:
                    failure = error
                    if isinstance(error, EngineDied) and error.on_device:
                        raise
                if isinstance(failure, ProviderUnavailable):
                    waiting.append(stop)
                log.warning("backend_passed_over", backend=stop.backend.name, code=failure.code, reason=failure.message)
                if not self._goes_on(failure):
                    # Nobody else may be asked, those passed over before neither.
                    waiting = [stop] if isinstance(failure, ProviderUnavailable) else []
                    break
            if not waiting or loop.time() > deadline:
                raise failure
            stops = waiting
            await asyncio.sleep(pause)
            pause = min(pause * 2, self._options.longest_pause_seconds)

    async def _made_at(
        self, stop: Stop, request: GenerationRequest, inputs: Sequence[Path]
    ) -> AsyncGenerator[Progress, None]:
        remote = isinstance(stop.backend, Remote)
        backend = stop.backend.keeping(self._errands) if isinstance(stop.backend, Remote) else stop.backend
        # Alone is for an engine that a job may have ended; no provider of others ends with it.
        async with stop.gate.enter(alone=self._job.engine_deaths > 0 and not remote):
            # The protocol says that the iterator can be closed, which is what makes it a generator.
            made = cast("AsyncGenerator[Progress, None]", backend.generate(request, inputs))
            async with aclosing(made):
                async for event in made:
                    yield event

    def _goes_on(self, failure: GenerationFailed) -> bool:
        """Whether the next backend may be asked after this."""
        return self._options.after_charge or not (isinstance(failure, ProviderFailed) and failure.charged)

    async def _in_order(self) -> Sequence[Stop]:
        """Who holds something of the job from an earlier attempt goes on with it, before anybody else is asked."""
        if len(self._stops) < 2:
            return self._stops
        begun = await self._errands.begun()
        return sorted(self._stops, key=lambda stop: stop.backend.name not in begun)

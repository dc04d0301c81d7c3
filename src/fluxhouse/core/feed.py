"""The feed: word of changes and steps to whoever waits in this process; a hint, never the truth."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Protocol

from fluxhouse.core.bell import Bell
from fluxhouse.generation.backend import Preview, StepDone

_BACKLOG = 256  # hints a slow reader may lag behind before it loses the oldest
_REMEMBERED = 4096  # jobs whose newest step is known: other processes do not say when theirs have ended


@dataclass(frozen=True, slots=True)
class StateChanged:
    """The job's row has changed; read it."""


@dataclass(frozen=True, slots=True)
class ImageReady:
    """Image `index` is durable under `key`."""

    index: int
    key: str


Hint = StateChanged | StepDone | Preview | ImageReady


class Outlet(Protocol):
    """What takes the hints of this process to others."""

    def send(self, job_id: str, hint: Hint) -> None: ...

    def forget(self, job_id: str) -> None: ...


class Feed:
    """Passes hints about jobs on to their subscribers; remembers each running job's newest step.

    `changed` is rung at every change of any job's state, for whoever has to do with what changed. `closed` says that
    this process is about to end: who waits for hints answers with what there is.
    """

    def __init__(self) -> None:
        self.changed = Bell()
        self.closed = False
        self.outlet: Outlet | None = None
        self._readers: dict[str, set[asyncio.Queue[Hint]]] = defaultdict(set)
        self._steps: dict[str, StepDone] = {}

    def publish(self, job_id: str, hint: Hint) -> None:
        """Tell everyone of what happened here."""
        self.pass_on(job_id, hint)
        if self.outlet is not None:
            self.outlet.send(job_id, hint)

    def pass_on(self, job_id: str, hint: Hint) -> None:
        """Tell the readers of this process; never blocks, a reader that lags loses its oldest hint."""
        if isinstance(hint, StepDone):
            self._remember(job_id, hint)
        if isinstance(hint, StateChanged):
            self.changed.ring()
        for reader in self._readers.get(job_id, ()):
            if reader.full():
                reader.get_nowait()
            reader.put_nowait(hint)

    def close(self) -> None:
        """Wake every reader for the last time."""
        self.closed = True
        self.stir()

    def forget(self, job_id: str) -> None:
        """The job runs no more: drop its newest step."""
        self._steps.pop(job_id, None)
        if self.outlet is not None:
            self.outlet.forget(job_id)

    def stir(self) -> None:
        """Hints may have been lost: everyone looks again."""
        for job_id in list(self._readers):
            self.pass_on(job_id, StateChanged())

    def is_read(self, job_id: str) -> bool:
        """Whether anyone in this process waits for hints about the job."""
        return job_id in self._readers

    def step(self, job_id: str) -> StepDone | None:
        """The newest step of a running job, if one has ended."""
        return self._steps.get(job_id)

    @contextmanager
    def subscribe(self, job_id: str) -> Iterator[asyncio.Queue[Hint]]:
        """A queue of the hints about a job from now on. Subscribe first, then read the row: no change is missed."""
        reader: asyncio.Queue[Hint] = asyncio.Queue(_BACKLOG)
        self._readers[job_id].add(reader)
        try:
            yield reader
        finally:
            self._readers[job_id].discard(reader)
            if not self._readers[job_id]:
                del self._readers[job_id]

    def _remember(self, job_id: str, step: StepDone) -> None:
        self._steps[job_id] = step
        if len(self._steps) > _REMEMBERED:
            del self._steps[next(iter(self._steps))]

"""What the threads of the engine's process are at, and which of it takes so long that it must hang."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

_TIMES = 10.0
"""So many times what a piece of work should take is not yet a hang: beside others a device may be that slow."""


class Watch:
    """Pieces of work under way, each of which may take `patience_seconds` and ten times what it should."""

    def __init__(self, patience_seconds: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._patience_seconds = patience_seconds
        self._clock = clock
        self._due: dict[object, tuple[str, float]] = {}

    @contextmanager
    def over(self, work: str, usual_seconds: float = 0.0, extra_seconds: float = 0.0) -> Iterator[None]:
        """Around a piece of work of any thread: its name, what it should take, and what it may take beyond that."""
        piece = object()
        self._due[piece] = (work, self._clock() + self._patience_seconds + _TIMES * usual_seconds + extra_seconds)
        try:
            yield
        finally:
            del self._due[piece]

    def hung(self) -> str | None:
        """The name of a piece of work that should have ended by now, None where there is none; for any thread."""
        now = self._clock()
        return next((work for work, due in list(self._due.values()) if now > due), None)

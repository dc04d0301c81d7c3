"""The bell: tells the worker of this process at once that the queue has something for it."""

from __future__ import annotations

import asyncio
from contextlib import suppress


class Bell:
    """Rung after a commit that put something into the queue; rings that nobody waited for are not lost."""

    def __init__(self) -> None:
        self._rung = asyncio.Event()

    def ring(self) -> None:
        """Wake the worker; call it after the commit."""
        self._rung.set()

    async def wait(self, seconds: float) -> None:
        """Return when the bell has rung since the last wait, or after that time."""
        with suppress(TimeoutError):
            await asyncio.wait_for(self._rung.wait(), seconds)
        self._rung.clear()

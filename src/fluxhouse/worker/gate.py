"""The gate of one backend: lets many jobs in together, and now and then one all by itself."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager


class Gate:
    """Who wants in alone waits until the others have left, and keeps new ones out so that it is not starved."""

    def __init__(self) -> None:
        self._changed = asyncio.Condition()
        self._inside = 0
        self._closed = False
        self._waiting_alone = 0

    @asynccontextmanager
    async def enter(self, *, alone: bool) -> AsyncIterator[None]:
        """Be inside for the length of the block."""
        await (self._enter_alone() if alone else self._enter_together())
        try:
            yield
        finally:
            # No await that could be cancelled stands between leaving and saying so.
            self._inside -= 1
            self._closed = False
            await asyncio.shield(self._tell())

    async def _enter_alone(self) -> None:
        async with self._changed:
            self._waiting_alone += 1
            try:
                await self._changed.wait_for(lambda: self._inside == 0)
                self._inside, self._closed = 1, True
            finally:
                self._waiting_alone -= 1
                self._changed.notify_all()

    async def _enter_together(self) -> None:
        async with self._changed:
            await self._changed.wait_for(lambda: not self._closed and not self._waiting_alone)
            self._inside += 1

    async def _tell(self) -> None:
        async with self._changed:
            self._changed.notify_all()

"""Patience: asking again through an outage, until what is asked can be reached or has been away for too long."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

import structlog

from fluxhouse.generation.errors import PlatformError

T = TypeVar("T")
log = structlog.get_logger()

_PAUSE_SECONDS = 0.5


async def patiently(ask: Callable[[], Awaitable[T]], outage: type[PlatformError], seconds: float, event: str) -> T:
    """What `ask` comes to once it raises no `outage` any more; raises that where it has lasted for so many seconds.

    Each try that fails is logged as `event`.
    """
    loop = asyncio.get_running_loop()
    latest = loop.time() + seconds
    while True:
        try:
            return await ask()
        except outage as error:
            if loop.time() > latest:
                raise
            log.warning(event, reason=error.message)
        await asyncio.sleep(_PAUSE_SECONDS)

"""Deadlines: cancels every job that has not ended by the moment its caller set, in whatever process notices first."""

from __future__ import annotations

import asyncio
from contextlib import suppress

import structlog

from fluxhouse.core import jobs
from fluxhouse.core.cancel import cancel
from fluxhouse.core.feed import Feed, StateChanged
from fluxhouse.core.jobs import Job
from fluxhouse.database.database import Database
from fluxhouse.generation.clock import Clock
from fluxhouse.generation.errors import JobAlreadyEnded

log = structlog.get_logger()

_BATCH = 100


class Deadlines:
    """Looks every `period_seconds` until it is cancelled."""

    def __init__(self, database: Database, feed: Feed, clock: Clock, period_seconds: float = 1.0) -> None:
        self._database = database
        self._feed = feed
        self._clock = clock
        self._period_seconds = period_seconds

    async def run(self) -> None:
        """Look for ever; what fails is logged and tried again next time."""
        while True:
            try:
                await self.look()
            except Exception:
                log.exception("deadlines_not_read")
            await asyncio.sleep(self._period_seconds)

    async def look(self) -> None:
        """Cancel what is late now: a waiting job at once, a running one at its next step."""
        now = self._clock.now()
        for job in await self._database.read(lambda connection: jobs.late(connection, now, _BATCH)):
            await self._cancel(job)

    async def _cancel(self, job: Job) -> None:
        with suppress(JobAlreadyEnded):
            await self._database.write(lambda connection: cancel(connection, job, self._clock.now()))
            log.info("job_late", job_id=job.id)
            self._feed.publish(job.id, StateChanged())

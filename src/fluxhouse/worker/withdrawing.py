"""Withdrawals: providers still at work for a job that has ended are told to stop, whenever and however it ended."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

import structlog

from fluxhouse.core import errands
from fluxhouse.core.errands import LeftOver
from fluxhouse.database.database import Database
from fluxhouse.generation.clock import Clock
from fluxhouse.generation.errand import ErrandState, Remote
from fluxhouse.generation.errors import ProviderUnavailable
from fluxhouse.worker.errands import JobErrands
from fluxhouse.worker.meter import WorkMeter

log = structlog.get_logger()

_BATCH = 100


class Withdrawals:
    """Looks every `period_seconds` until it is cancelled; a provider out of reach is left alone for `away_seconds`."""

    def __init__(
        self,
        database: Database,
        remotes: Mapping[str, Remote],
        clock: Clock,
        meter: WorkMeter,
        period_seconds: float = 1.0,
        away_seconds: float = 30.0,
    ) -> None:
        self._database = database
        self._remotes = remotes
        self._clock = clock
        self._meter = meter
        self._period_seconds = period_seconds
        self._away_seconds = away_seconds

    async def run(self) -> None:
        """Look for ever, at each provider for itself: one that does not answer keeps no other waiting."""
        await asyncio.gather(*(self._watch(name) for name in self._remotes))

    async def _watch(self, name: str) -> None:
        """Look at one provider for ever; what fails is logged and tried again next time."""
        while True:
            pause = self._period_seconds
            try:
                if not await self._look(name):
                    pause = self._away_seconds
            except Exception:
                log.exception("errands_not_read", provider=name)
            await asyncio.sleep(pause)

    async def _look(self, name: str) -> bool:
        """Withdraw what is left over at a provider now; False where it cannot be reached."""
        found = await self._database.read(lambda c: errands.left_over(c, name, _BATCH))
        return all(await asyncio.gather(*(self._withdraw(one) for one in found)))

    async def _withdraw(self, one: LeftOver) -> bool:
        errand, state = one.errand, ErrandState.WITHDRAWN
        try:
            if errand.receipt:
                await self._remotes[errand.provider].withdraw(errand.receipt)
            else:
                state = ErrandState.FAILED  # Nobody knows what it is called there.
        except ProviderUnavailable:
            return False
        with structlog.contextvars.bound_contextvars(job_id=one.job_id):
            await JobErrands(one.job_id, self._database, self._clock, self._meter).ended(errand, state)
        return True

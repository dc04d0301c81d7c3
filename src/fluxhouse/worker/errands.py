"""One job's errands, kept in its rows and counted as they end."""

from __future__ import annotations

from collections.abc import Mapping

import structlog

from fluxhouse.core import errands
from fluxhouse.database.database import Database
from fluxhouse.generation.clock import Clock
from fluxhouse.generation.errand import Errand, ErrandState
from fluxhouse.worker.meter import WorkMeter

log = structlog.get_logger()


class JobErrands:
    """The record that a provider works by."""

    def __init__(self, job_id: str, database: Database, clock: Clock, meter: WorkMeter) -> None:
        self._job_id = job_id
        self._database = database
        self._clock = clock
        self._meter = meter

    async def begin(self, provider: str, index: int) -> Errand:
        """See `Errands`."""
        now = self._clock.now()
        return await self._database.write(lambda c: errands.begin(c, self._job_id, provider, index, now))

    async def accepted(self, errand: Errand, receipt: Mapping[str, str]) -> None:
        """See `Errands`."""
        now = self._clock.now()
        await self._database.write(
            lambda c: errands.accept(c, self._job_id, errand.provider, errand.index, receipt, now)
        )
        log.info("errand_accepted", provider=errand.provider, image=errand.index, **receipt)

    async def ended(self, errand: Errand, state: ErrandState, cost_micro_usd: int = 0) -> None:
        """See `Errands`; counted where it had not ended before."""
        now = self._clock.now()
        first = await self._database.write(
            lambda c: errands.end(c, self._job_id, errand.provider, errand.index, state, now, cost_micro_usd)
        )
        if first:
            self._meter.ran(errand.provider, state, cost_micro_usd)
            log.info(
                "errand_ended", provider=errand.provider, image=errand.index, state=state, micro_usd=cost_micro_usd
            )

    async def begun(self) -> set[str]:
        """The providers that hold something of the job already."""
        return await self._database.read(lambda c: errands.begun(c, self._job_id))

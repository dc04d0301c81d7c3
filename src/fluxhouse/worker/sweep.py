"""The sweep: ends what waited too long, removes what is out of date, and frees what a dead worker held."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial

import structlog
from sqlalchemy import Connection

from fluxhouse.core import attempts, files, idempotency, jobs, queue, settle
from fluxhouse.core.bell import Bell
from fluxhouse.core.feed import Feed, StateChanged
from fluxhouse.core.files import File
from fluxhouse.core.jobs import Job
from fluxhouse.core.removal import remove_files
from fluxhouse.core.shelf import Shelf
from fluxhouse.database.database import Database
from fluxhouse.generation.clock import Clock
from fluxhouse.generation.errors import StorageUnavailable, UnknownFile
from fluxhouse.storage.opening import Store

log = structlog.get_logger()

INPUTS = "inputs/"
_ORPHAN_AGE = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class SweepOptions:
    """`batch` bounds how much one transaction does; `stale_after` how long a worker may keep silent."""

    period_seconds: float = 30.0
    batch: int = 100
    stale_after: timedelta = timedelta(seconds=60)
    orphan_period: timedelta = timedelta(hours=1)


# A job's worker may be on any host, so a restart mends nothing: the sweep must, and soon.
FLEET = SweepOptions(period_seconds=5.0, stale_after=timedelta(seconds=30))


class Sweeper:
    """Sweeps every `period_seconds` until it is cancelled."""

    def __init__(
        self,
        database: Database,
        storage: Store,
        feed: Feed,
        bell: Bell,
        clock: Clock,
        options: SweepOptions | None = None,
        shelf: Shelf | None = None,
    ) -> None:
        self._database = database
        self._storage = storage
        self._feed = feed
        self._bell = bell
        self._clock = clock
        self._options = options or SweepOptions()
        self._shelf = shelf
        self._orphans_due = datetime.min.replace(tzinfo=UTC)

    async def run(self) -> None:
        """Sweep for ever; what fails is logged and tried again next time."""
        while True:
            try:
                await self.sweep()
            except StorageUnavailable as error:
                log.warning("sweep_delayed", reason=error.message)
            except Exception:
                log.exception("sweep_failed")
            await asyncio.sleep(self._options.period_seconds)

    async def sweep(self) -> None:
        """Everything that is due now, batch by batch; nothing where another process of the fleet is at it."""
        async with self._database.alone("sweep") as alone:
            if alone:
                await self._sweep()

    async def _sweep(self) -> None:
        await self._recover()
        while await self._expire() == self._options.batch:
            pass
        while await self._remove_outputs() == self._options.batch:
            pass
        while await self._remove_files() == self._options.batch:
            pass
        await self._database.write(lambda c: idempotency.purge(c, self._clock.now()))
        await self._database.write(lambda c: attempts.purge(c, self._clock.now()))
        if self._clock.now() >= self._orphans_due:
            self._orphans_due = self._clock.now() + self._options.orphan_period
            await self._remove_orphans()
            if self._shelf is not None:
                await self._shelf.clear(self._clock.now())
                await self._shelf.clear_orphans(self._clock.now())

    async def _recover(self) -> None:
        now = self._clock.now()
        stale_before = now - self._options.stale_after
        stale = await self._database.read(lambda c: jobs.running(c, stale_before))
        recovered = await self._each(stale, lambda c, job: settle.worker_died(c, job, now))
        self._tell("job_recovered", recovered)
        if recovered:
            self._bell.ring()
        if mended := await self._database.write(lambda c: queue.mend(c, now)):
            log.info("entries_mended", jobs=mended)

    async def _expire(self) -> int:
        now = self._clock.now()
        overdue = await self._database.read(lambda c: jobs.overdue(c, now, self._options.batch))
        if overdue:
            self._tell("job_expired", await self._each(overdue, lambda c, job: settle.expire(c, job, now)))
        return len(overdue)

    async def _remove_outputs(self) -> int:
        now = self._clock.now()
        due = await self._database.read(lambda c: jobs.outdated(c, now, self._options.batch))
        for job in due:
            await remove_files(self._storage, job)
        if due:
            await self._database.write(lambda c: _note_removed(c, due, now))
            log.info("outputs_removed", jobs=len(due))
        return len(due)

    async def _remove_files(self) -> int:
        """Uploaded files past their expiry; the row goes first, so that no id names a file without bytes."""
        now = self._clock.now()
        due = await self._database.read(lambda c: files.outdated(c, now, self._options.batch))
        if due:
            await self._database.write(lambda c: _forget(c, due))
            for file in due:
                await self._storage.delete(file.key)  # a job that named it has a copy of its own
            log.info("files_removed", files=len(due))
        return len(due)

    async def _remove_orphans(self) -> None:
        """Bytes of inputs whose submit never committed, and of files that a crash left without a row."""
        newest = self._clock.now() - _ORPHAN_AGE
        for folder in (INPUTS, *files.FOLDERS):
            old = [key async for key in self._storage.keys(folder) if await self._kept_since(key) < newest]
            wanted = await self._wanted(folder) if old else ()
            for key in old:
                if key not in wanted:
                    await self._storage.delete(key)

    async def _kept_since(self, key: str) -> datetime:
        try:
            return await self._storage.modified(key)
        except UnknownFile:
            return self._clock.now()

    async def _wanted(self, folder: str) -> set[str]:
        """Keys of files that have a row, or that a job which has not ended will read."""
        if folder != INPUTS:
            return await self._database.read(files.known)
        unfinished = await self._database.read(jobs.open_jobs)
        return {key for job in unfinished for key in job.request.inputs}

    async def _each(self, due: Sequence[Job], verb: Callable[[Connection, Job], Job | None]) -> list[Job]:
        """The jobs that the verb changed, each in a transaction of its own: no two accounts wait for each other."""
        changed = await asyncio.gather(*(self._database.write(partial(_one, verb, job)) for job in due))
        return [job for job in changed if job is not None]

    def _tell(self, event: str, changed: Sequence[Job]) -> None:
        for job in changed:
            log.info(event, job_id=job.id, attempt=job.attempt)
            self._feed.publish(job.id, StateChanged())


def _one(verb: Callable[[Connection, Job], Job | None], job: Job, connection: Connection) -> Job | None:
    return verb(connection, job)


def _note_removed(connection: Connection, removed: Sequence[Job], now: datetime) -> None:
    for job in removed:
        jobs.output_removed(connection, job.id, now)


def _forget(connection: Connection, removed: Sequence[File]) -> None:
    for file in removed:
        files.remove(connection, file.id)

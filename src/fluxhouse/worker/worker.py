"""The worker: claims waiting jobs in fair order, has them made, and settles each exactly once."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Protocol

import structlog
from sqlalchemy import Connection

from fluxhouse.core import jobs, queue, settle
from fluxhouse.core.bell import Bell
from fluxhouse.core.feed import Feed, StateChanged
from fluxhouse.core.jobs import Job
from fluxhouse.database.database import Database
from fluxhouse.generation.clock import Clock
from fluxhouse.generation.errand import Remote
from fluxhouse.generation.errors import DatabaseUnavailable
from fluxhouse.generation.upsampler import Upsampler
from fluxhouse.storage.opening import Store
from fluxhouse.tracing.spans import now_ns, record
from fluxhouse.worker.course import CourseOptions
from fluxhouse.worker.making import Making
from fluxhouse.worker.meter import WorkMeter
from fluxhouse.worker.routing import Router
from fluxhouse.worker.withdrawing import Withdrawals

log = structlog.get_logger()


class Source(Protocol):
    """Where entries come from that others may fetch as well: hands each one, job and tag, to a worker."""

    async def run(self, take_up: Callable[[str, int], Awaitable[None]]) -> None: ...


@dataclass(frozen=True, slots=True)
class WorkerOptions:
    """`ahead` is how many jobs a backend gets beyond its slots, so that it never waits for the database.

    `patience_seconds` is how long an end is kept that the database does not take; `course` how jobs go along a route.
    """

    ahead: int = 1
    heartbeat_seconds: float = 5.0
    idle_seconds: float = 5.0
    grace_seconds: float = 10.0
    patience_seconds: float = 300.0
    course: CourseOptions = field(default_factory=CourseOptions)


class Worker:
    """Makes jobs until it is stopped. Several may run at once, one task each."""

    def __init__(
        self,
        database: Database,
        router: Router,
        storage: Store,
        feed: Feed,
        bell: Bell,
        clock: Clock,
        options: WorkerOptions | None = None,
        meter: WorkMeter | None = None,
        source: Source | None = None,
        upsampler: Upsampler | None = None,
    ) -> None:
        self._database = database
        self._router = router
        self._feed = feed
        self._bell = bell
        self._clock = clock
        self._options = options or WorkerOptions()
        self._meter = meter or WorkMeter()
        patience, course = self._options.patience_seconds, self._options.course
        self._making = Making(database, router, storage, feed, clock, self._meter, patience, course, upsampler)
        remotes = {backend.name: backend for backend in router.all() if isinstance(backend, Remote)}
        self._withdrawals = Withdrawals(database, remotes, clock, self._meter) if remotes else None
        self._held: dict[asyncio.Task[None], Job] = {}
        self._stopping = False
        self._claiming = asyncio.Lock()
        self._source = source

    async def recover(self) -> None:
        """Let every job wait again that a worker before this one left running, where nobody else can be at work."""
        if self._source is not None:
            return
        for job in await self._database.write(lambda c: settle.recover(c, self._clock.now())):
            log.info("job_recovered", job_id=job.id, attempt=job.attempt, state=job.state)
            self._feed.publish(job.id, StateChanged())

    async def run(self) -> None:
        """Work until `stop` is called; cancelling it drops what is held without a word."""
        standing = [asyncio.create_task(self._beat())]
        if self._source is not None:
            standing.append(asyncio.create_task(self._source.run(self.take_up)))
        if self._withdrawals is not None:
            standing.append(asyncio.create_task(self._withdrawals.run()))
        try:
            while not self._stopping:
                if self._source is not None or not await self._claim():
                    await self._bell.wait(self._options.idle_seconds)
        finally:
            for task in standing:
                task.cancel()
            await asyncio.gather(*standing, return_exceptions=True)

    async def take_up(self, job_id: str, tag: int) -> None:
        """Claim the job of a fetched entry, make and settle it; the caller sees to it that there is room."""
        async with self._claiming:
            if self._stopping:
                return await self._database.write(lambda c: queue.hand_back(c, job_id, self._clock.now()))
            started = now_ns()
            try:
                job = await self._database.write(lambda c: queue.start(c, job_id, tag, self._clock.now()))
            except DatabaseUnavailable:
                # Claimed or not: where it was, nobody keeps it alive; where not, it has no entry. The sweep mends both.
                log.warning("claim_failed", job_id=job_id)
                return None
            if job is None:
                return None
            task = self._begin(job, started)
        await asyncio.wait([task])
        return None

    async def stop(self) -> None:
        """Claim no more, give what runs its grace, and put back into the queue what has not ended by then."""
        self._stopping = True
        self._bell.ring()
        async with self._claiming:
            pass  # A claim under way has begun what it took.
        if self._held:
            _, unfinished = await asyncio.wait(self._held, timeout=self._options.grace_seconds)
            for task in unfinished:
                task.cancel()
            if unfinished:
                await asyncio.wait(unfinished)

    async def _claim(self) -> bool:
        """Start what the backends have room for; False where there was nothing."""
        async with self._claiming:
            held = [job.request.model for job in self._held.values()]
            wanted = self._router.rooms(held, self._options.ahead)
            if self._stopping or not wanted:
                return False
            started = now_ns()
            try:
                claimed = await self._database.write(lambda c: self._take(c, wanted))
            except Exception:
                # The database may be locked or full for a while: neither may end the worker.
                log.exception("claim_failed")
                return False
            for job in claimed:
                self._begin(job, started)
        return bool(claimed)

    def _take(self, connection: Connection, wanted: list[tuple[int, list[str]]]) -> list[Job]:
        now = self._clock.now()
        return [job for room, models in wanted for job in queue.claim(connection, room, now, models)]

    def _begin(self, job: Job, claiming_since: int) -> asyncio.Task[None]:
        self._meter.claimed(job)
        record("claim", job.id, claiming_since, attempt=job.attempt)
        task = asyncio.create_task(self._making.work(job), name=f"job {job.id}")
        self._held[task] = job
        task.add_done_callback(self._let_go)
        return task

    def _let_go(self, task: asyncio.Task[None]) -> None:
        del self._held[task]
        self._bell.ring()
        if not task.cancelled() and (failure := task.exception()) is not None:
            # Not settled: its heartbeat ends here, so the sweep lets it wait again.
            log.error("settle_failed", exc_info=failure)

    async def _beat(self) -> None:
        while True:
            await asyncio.sleep(self._options.heartbeat_seconds)
            held = [(job.id, job.attempt) for job in self._held.values()]
            try:
                if held:
                    await self._database.write(partial(jobs.beat, held=held, now=self._clock.now()))
            except Exception:
                log.exception("heartbeat_failed")

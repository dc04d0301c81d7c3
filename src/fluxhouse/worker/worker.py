"""The worker: claims waiting jobs in fair order, has them made, and settles each exactly once."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial
from typing import Protocol

import structlog
from sqlalchemy import Connection

from fluxhouse.core import jobs, queue, settle
from fluxhouse.core.bell import Bell
from fluxhouse.core.feed import Feed, StateChanged
from fluxhouse.core.jobs import Job
from fluxhouse.core.settle import Outcome
from fluxhouse.database.database import Database
from fluxhouse.generation.backend import Backend
from fluxhouse.generation.clock import Clock
from fluxhouse.generation.errors import (
    DatabaseUnavailable,
    EngineDied,
    GenerationFailed,
    PlatformError,
    RequestRejected,
)
from fluxhouse.storage.opening import Store
from fluxhouse.storage.outputs import remove_all
from fluxhouse.tracing.spans import now_ns, record, span
from fluxhouse.worker.attempt import Attempt, Bench
from fluxhouse.worker.gate import Gate
from fluxhouse.worker.meter import WorkMeter
from fluxhouse.worker.routing import Router

log = structlog.get_logger()

End = Callable[[Connection, Job], Job | None]

_PAUSE_SECONDS = 0.5


class Source(Protocol):
    """Where entries come from that others may fetch as well: hands each one, job and tag, to a worker."""

    async def run(self, take_up: Callable[[str, int], Awaitable[None]]) -> None: ...


@dataclass(frozen=True, slots=True)
class WorkerOptions:
    """`ahead` is how many jobs a backend gets beyond its slots, so that it never waits for the database.

    `patience_seconds` is how long an end is kept that the database does not take.
    """

    ahead: int = 1
    heartbeat_seconds: float = 5.0
    idle_seconds: float = 5.0
    grace_seconds: float = 10.0
    patience_seconds: float = 300.0


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
    ) -> None:
        self._database = database
        self._router = router
        self._storage = storage
        self._feed = feed
        self._bell = bell
        self._clock = clock
        self._options = options or WorkerOptions()
        self._meter = meter or WorkMeter()
        self._gates = {id(backend): Gate() for backend, _ in router.backends()}
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
        task = asyncio.create_task(self._work(job), name=f"job {job.id}")
        self._held[task] = job
        task.add_done_callback(self._let_go)
        return task

    def _let_go(self, task: asyncio.Task[None]) -> None:
        del self._held[task]
        self._bell.ring()
        if not task.cancelled() and (failure := task.exception()) is not None:
            # Not settled: its heartbeat ends here, so the sweep lets it wait again.
            log.error("settle_failed", exc_info=failure)

    async def _work(self, job: Job) -> None:
        with structlog.contextvars.bound_contextvars(job_id=job.id):
            log.info("job_started", model=job.request.model, attempt=job.attempt)
            self._feed.publish(job.id, StateChanged())
            attempt = Attempt(job, self._bench(self._router.backend_for(job.request.model)))
            try:
                end = await self._end_of(attempt)
            except asyncio.CancelledError:
                await self._settle(job, lambda c, row: settle.hand_back(c, row, self._clock.now()))
                raise
            await self._settle(job, end)

    def _bench(self, backend: Backend) -> Bench:
        return Bench(self._database, self._storage, self._feed, backend, self._gates[id(backend)])

    async def _end_of(self, attempt: Attempt) -> End:
        """Run the attempt; the verb that settles it."""
        job, clock = attempt.job, self._clock
        try:
            with span("make", job.id, model=job.request.model, backend=job.served_by, attempt=job.attempt):
                complete = await attempt.run()
        except EngineDied as death:
            if not death.on_device:
                return lambda c, row: settle.worker_died(c, row, clock.now())
            alone = job.engine_deaths > 0
            log.warning("engine_died", alone=alone)
            return lambda c, row: settle.engine_died(c, row, clock.now(), alone=alone)
        except Exception as error:
            failure = _failure(error)
            log.warning("job_failing", code=failure.code, exc_info=None if isinstance(error, PlatformError) else error)
            return lambda c, row: settle.fail(c, row, failure, clock.now())
        outcome = Outcome(tuple(attempt.images), attempt.seconds, self._router.backend_for(job.request.model).name)
        verb = settle.succeed if complete else settle.cancelled
        return lambda c, row: verb(c, row, outcome, clock.now())

    async def _settle(self, job: Job, end: End) -> None:
        # The job as it was claimed: its attempt and state are the fence. One that waits again, or whose later attempt
        # runs elsewhere, is not ours to end.
        with span("settle", job.id, attempt=job.attempt):
            ended = await self._write_surely(lambda c: end(c, job))
        self._meter.settled(job, ended)
        self._feed.forget(job.id)
        self._feed.publish(job.id, StateChanged())
        if ended is not None and ended.state.terminal and not ended.images:
            # Nothing is charged, so nothing is given away: the stream may have named images already.
            await remove_all(self._storage, job.id)
        if ended is None:
            log.info("job_superseded", attempt=job.attempt)
        else:
            log.info("job_settled", state=ended.state, attempt=ended.attempt, images=len(ended.images))

    async def _write_surely(self, end: Callable[[Connection], Job | None]) -> Job | None:
        """Write an end through a restart of the database: the fence makes one that was written twice count once."""
        patience = self._options.patience_seconds
        while True:
            try:
                return await self._database.write(end)
            except DatabaseUnavailable:
                log.warning("settle_delayed")
                patience -= _PAUSE_SECONDS
                if patience <= 0:
                    raise
                await asyncio.sleep(_PAUSE_SECONDS)

    async def _beat(self) -> None:
        while True:
            await asyncio.sleep(self._options.heartbeat_seconds)
            held = [(job.id, job.attempt) for job in self._held.values()]
            try:
                if held:
                    await self._database.write(partial(jobs.beat, held=held, now=self._clock.now()))
            except Exception:
                log.exception("heartbeat_failed")


def _failure(error: Exception) -> GenerationFailed:
    """What an attempt's error says to the caller: typed errors as they are, everything else without its inside."""
    if isinstance(error, GenerationFailed):
        return error
    typed = error if isinstance(error, PlatformError) else PlatformError("Something went wrong on our side.")
    failure = GenerationFailed(typed.message)
    failure.code = typed.code
    failure.retryable = not isinstance(error, RequestRejected)
    return failure

"""The making of a claimed job, from its first step to its one settled end."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import structlog
from sqlalchemy import Connection

from fluxhouse.core import settle
from fluxhouse.core.feed import Feed, StateChanged
from fluxhouse.core.jobs import Job
from fluxhouse.core.settle import Outcome
from fluxhouse.database.database import Database
from fluxhouse.generation.clock import Clock
from fluxhouse.generation.errors import (
    DatabaseUnavailable,
    EngineDied,
    GenerationFailed,
    PlatformError,
    RequestRejected,
)
from fluxhouse.generation.upsampler import Upsampler
from fluxhouse.storage.opening import Store
from fluxhouse.storage.outputs import remove_all
from fluxhouse.tracing.spans import span
from fluxhouse.worker.attempt import Attempt, Means
from fluxhouse.worker.course import Course, CourseOptions, Stop
from fluxhouse.worker.errands import JobErrands
from fluxhouse.worker.gate import Gate
from fluxhouse.worker.meter import WorkMeter
from fluxhouse.worker.patience import patiently
from fluxhouse.worker.routing import Router

log = structlog.get_logger()

End = Callable[[Connection, Job], Job | None]


class Making:
    """Makes claimed jobs, each to its one end. `patience_seconds` is how long an end is kept that is not taken."""

    def __init__(
        self,
        database: Database,
        router: Router,
        storage: Store,
        feed: Feed,
        clock: Clock,
        meter: WorkMeter,
        patience_seconds: float,
        course: CourseOptions | None = None,
        upsampler: Upsampler | None = None,
    ) -> None:
        self._database = database
        self._router = router
        self._storage = storage
        self._feed = feed
        self._clock = clock
        self._meter = meter
        self._patience_seconds = patience_seconds
        self._course = course or CourseOptions()
        self._upsampler = upsampler
        self._gates = {id(backend): Gate() for backend in router.all()}

    async def work(self, job: Job) -> None:
        """Make it, hand its images over, and settle it; cancelled, hand it back."""
        with structlog.contextvars.bound_contextvars(job_id=job.id):
            log.info("job_started", model=job.request.model, attempt=job.attempt)
            self._feed.publish(job.id, StateChanged())
            try:
                end = await self._end_of(job)
            except asyncio.CancelledError:
                await self._settle(job, lambda c, row: settle.hand_back(c, row, self._clock.now()))
                raise
            await self._settle(job, end)

    def _course_of(self, job: Job) -> Course:
        stops = [Stop(backend, self._gates[id(backend)]) for backend in self._router.route(job.request.model)]
        return Course(job, stops, JobErrands(job.id, self._database, self._clock, self._meter), self._course)

    async def _end_of(self, job: Job) -> End:
        """Run an attempt; the verb that settles it."""
        clock, course = self._clock, self._course_of(job)
        attempt = Attempt(job, Means(self._database, self._storage, self._feed, course, self._upsampler))
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
        outcome = Outcome(tuple(attempt.images), attempt.seconds, course.served_by)
        verb = settle.succeed if complete else settle.cancelled
        return lambda c, row: verb(c, row, outcome, clock.now())

    async def _settle(self, job: Job, end: End) -> None:
        # The job as it was claimed: its attempt and state are the fence. One that waits again, or whose later attempt
        # runs elsewhere, is not ours to end.
        with span("settle", job.id, attempt=job.attempt):
            # The fence makes an end that was written twice, through a restart of the database, count once.
            ended = await patiently(
                lambda: self._database.write(lambda c: end(c, job)),
                DatabaseUnavailable,
                self._patience_seconds,
                "settle_delayed",
            )
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


def _failure(error: Exception) -> GenerationFailed:
    """What an attempt's error says to the caller: typed errors as they are, everything else without its inside."""
    if isinstance(error, GenerationFailed):
        return error
    typed = error if isinstance(error, PlatformError) else PlatformError("Something went wrong on our side.")
    failure = GenerationFailed(typed.message)
    failure.code = typed.code
    failure.retryable = not isinstance(error, RequestRejected)
    return failure

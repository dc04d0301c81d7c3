"""Settle: the one transaction that ends a job, charging for what was delivered, or lets it wait again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta

from sqlalchemy import Connection

from fluxhouse.core import accounts, events, jobs, keys, ledger, queue, usage, webhooks
from fluxhouse.core.jobs import Job, JobError, JobState
from fluxhouse.generation.errors import (
    AttemptsExhausted,
    ContentModerated,
    EngineCrashed,
    GenerationFailed,
    JobExpired,
)
from fluxhouse.generation.image import DeliveredImage

MAX_DEATHS = 5  # attempts that the death of a process may end before the job is given up
KEPT_AFTER_END = timedelta(hours=1)  # a completed answer prints at least this much time to fetch it


@dataclass(frozen=True, slots=True)
class Outcome:
    """What an attempt brought: images whose bytes are durable, the seconds of work, and the backend that did it."""

    images: Sequence[DeliveredImage] = ()
    inference_seconds: float | None = None
    served_by: str | None = None

    @property
    def shown(self) -> int:
        """How many images were not withheld."""
        return sum(not image.withheld for image in self.images)


def succeed(connection: Connection, job: Job, outcome: Outcome, now: datetime) -> Job | None:
    """End a job well: each delivered image is captured that was not withheld. Where all were, it has failed, and free.

    None where another attempt or end came first.
    """
    if outcome.images and not outcome.shown:
        return _end(connection, job, JobState.FAILED, now, outcome, JobError.of(ContentModerated()))
    return _end(connection, job, JobState.SUCCEEDED, now, outcome)


def cancelled(connection: Connection, job: Job, outcome: Outcome, now: datetime) -> Job | None:
    """End a job that was asked to stop: charged for images already delivered and for nothing else."""
    return _end(connection, job, JobState.CANCELLED, now, outcome)


def fail(connection: Connection, job: Job, failure: GenerationFailed, now: datetime) -> Job | None:
    """End a job badly: nothing is charged."""
    return _end(connection, job, JobState.FAILED, now, Outcome(), JobError.of(failure))


def engine_died(connection: Connection, job: Job, now: datetime, *, alone: bool) -> Job | None:
    """An engine ended with this job on the device: it is tried again alone, or fails where it was alone already."""
    if alone:
        return fail(connection, job, EngineCrashed(), now)
    return _wait_again(connection, job, now, {"deaths": job.deaths + 1, "engine_deaths": job.engine_deaths + 1})


def worker_died(connection: Connection, job: Job, now: datetime) -> Job | None:
    """A server or worker ended with this job in hand: it is run again, which says nothing against it."""
    return _wait_again(connection, job, now, {"deaths": job.deaths + 1})


def hand_back(connection: Connection, job: Job, now: datetime) -> Job | None:
    """A worker that stops lets go of the job: nobody died, it just waits for the next one."""
    return _wait_again(connection, job, now, {"deaths": job.deaths})


def expire(connection: Connection, job: Job, now: datetime) -> Job | None:
    """End a job that was not started in time."""
    return fail(connection, job, JobExpired(), now)


def recover(connection: Connection, now: datetime, stale_before: datetime | None = None) -> list[Job]:
    """Let every running job wait again whose worker is dead: all of them (at start), or those without a heartbeat."""
    held = jobs.running(connection, stale_before)
    return [after for job in held if (after := worker_died(connection, job, now)) is not None]


def _wait_again(connection: Connection, job: Job, now: datetime, values: dict[str, int]) -> Job | None:
    accounts.lock(connection, job.account_id)
    if jobs.get(connection, job.id).cancel_requested_at is not None:
        return cancelled(connection, job, Outcome(), now)
    if values["deaths"] >= MAX_DEATHS:
        return fail(connection, job, AttemptsExhausted(), now)
    waiting = jobs.change(connection, job, values | {"state": JobState.QUEUED})
    if waiting is None:
        return None
    events.record(connection, job.id, JobState.QUEUED, job.attempt, now)
    queue.put_back(connection, job, now)
    return waiting


def _end(
    connection: Connection,
    job: Job,
    state: JobState,
    now: datetime,
    outcome: Outcome,
    error: JobError | None = None,
) -> Job | None:
    """The one way a job ends; whatever else tries later, or from an older attempt, changes nothing."""
    if len(outcome.images) > job.request.count:
        raise ValueError(f"{len(outcome.images)} images were delivered where {job.request.count} were asked")
    accounts.lock(connection, job.account_id)
    charged_micro = job.price_micro * outcome.shown
    released_micro = job.hold_micro - charged_micro
    ended = {
        "state": state,
        "captured_micro": charged_micro,
        "finished_at": now,
        "expires_at": max(job.expires_at, now + KEPT_AFTER_END),
        "error": None if error is None else asdict(error),
        "images": [image.to_json() for image in outcome.images],
        "inference_seconds": outcome.inference_seconds,
        "served_by": outcome.served_by or job.served_by,
    }
    after = jobs.change(connection, job, ended)
    if after is None:
        return None
    events.record(connection, job.id, state, job.attempt, now)
    webhooks.enqueue(connection, job, now, made=outcome.shown > 0)
    if released_micro:
        keys.give_back(connection, job.key_id, released_micro)
    amounts: dict[str, int | float] = {
        state.value: 1,
        "images": outcome.shown,
        "captured_micro": charged_micro,
        "inference_seconds": outcome.inference_seconds or 0.0,
    }
    usage.count(connection, usage.Slot(job.account_id, job.key_id, job.model), now, amounts)
    # Last what all accounts share, so that its rows are locked for the length of a commit and in one order.
    queue.remove(connection, job.id)
    if charged_micro:
        ledger.capture(connection, job.account_id, job.id, charged_micro, now)
    if released_micro:
        ledger.release(connection, job.account_id, job.id, released_micro, now)
    return after

"""Submit: one transaction that takes a request in, with its hold, job and queue entry, or refuses it."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta

from sqlalchemy import Connection

from fluxhouse.core import accounts, events, idempotency, jobs, keys, ledger, limits, queue, usage, webhooks
from fluxhouse.core.idempotency import FirstAnswer, IdempotencyKey
from fluxhouse.core.ids import new_id
from fluxhouse.core.jobs import Job, JobState, Terms
from fluxhouse.core.keys import Caller, Scope
from fluxhouse.generation.errors import (
    InsufficientCredits,
    KeyNotAllowed,
    PlatformError,
    RateLimited,
    SpendCapReached,
)
from fluxhouse.generation.request import GenerationRequest


@dataclass(frozen=True, slots=True)
class Submission:
    """A valid request and everything the platform must know to take it in.

    `model` is the catalog entry asked; `steps` what the request costs in steps per image, for its fair share;
    `lifetime` how long after submit its output is kept; `webhook_url`, already checked, is told how the job ended.
    A job that has not ended `patience` after submit is cancelled.
    """

    caller: Caller
    dialect: str
    model: str
    served_by: str
    request: GenerationRequest
    price_micro: int
    steps: int
    lifetime: timedelta
    idempotency: IdempotencyKey | None = None
    webhook_url: str | None = None
    patience: timedelta | None = None
    terms: Terms = field(default_factory=Terms)


@dataclass(frozen=True, slots=True)
class Submitted:
    """The job, and what was left to spend right after it was taken in; `replayed` where an earlier submit made it."""

    job: Job
    available_micro: int
    window: limits.Window
    replayed: bool = False


@dataclass(frozen=True, slots=True)
class Refused:
    """Why nothing was taken in; `window` says how the caller's rate stands."""

    error: PlatformError
    window: limits.Window


def submit(connection: Connection, submission: Submission, now: datetime) -> Submitted | Refused:
    """Take a request in, once: durable when the transaction is.

    The rate is counted and a refusal noted even where nothing else remains of the submit.
    """
    accounts.lock(connection, submission.caller.account.id)
    window = limits.count(connection, submission.caller.key, now)
    try:
        if window.exceeded:
            raise RateLimited(retry_after_seconds=window.seconds_left(now))
        if (first := _replay(connection, submission, window, now)) is not None:
            return first
        job, left = _hold(connection, submission, now)
    except PlatformError as error:
        _count_refusal(connection, submission.caller, submission.model, now)
        return Refused(error, window)
    _take_in(connection, submission, job, left, now)
    return Submitted(job, left, window)


def refuse(connection: Connection, caller: Caller, model: str, error: PlatformError, now: datetime) -> Refused:
    """Note a submit that was refused before it got here; it counts towards the caller's rate."""
    accounts.lock(connection, caller.account.id)
    window = limits.count(connection, caller.key, now)
    _count_refusal(connection, caller, model, now)
    if window.exceeded:
        return Refused(RateLimited(retry_after_seconds=window.seconds_left(now)), window)
    return Refused(error, window)


def _replay(connection: Connection, submission: Submission, window: limits.Window, now: datetime) -> Submitted | None:
    if submission.idempotency is None:
        return None
    first = idempotency.recall(connection, submission.caller.account.id, submission.idempotency, now)
    if first is None:
        return None
    return Submitted(jobs.get(connection, first.job_id), first.available_micro, window, replayed=True)


def _hold(connection: Connection, submission: Submission, now: datetime) -> tuple[Job, int]:
    """The new job, its price set aside, and what is left to spend; what is refused leaves nothing behind."""
    caller = submission.caller
    _check_key(caller, submission)
    job = _job_of(submission, now)
    if not keys.spend(connection, caller.key.id, job.hold_micro, now):
        raise SpendCapReached(required_micro=job.hold_micro)
    try:
        return job, ledger.hold(connection, caller.account.id, job.id, job.hold_micro, now)
    except InsufficientCredits:
        # By hand, since a savepoint for each submit would cost as much as three statements.
        keys.give_back(connection, caller.key.id, job.hold_micro)
        raise


def _take_in(connection: Connection, submission: Submission, job: Job, left: int, now: datetime) -> None:
    """Everything that the job is, beside its hold."""
    caller = submission.caller
    jobs.insert_queued(connection, job)
    events.record(connection, job.id, JobState.QUEUED, job.attempt, now)
    queue.defer(connection, job, caller.account.weight, submission.steps, now)
    if submission.webhook_url is not None:
        webhooks.expect(connection, job, submission.webhook_url)
    if submission.idempotency is not None:
        idempotency.remember(connection, caller.account.id, submission.idempotency, FirstAnswer(job.id, left), now)
    slot = usage.Slot(caller.account.id, caller.key.id, submission.model)
    usage.count(connection, slot, now, {"submitted": 1})


def _check_key(caller: Caller, submission: Submission) -> None:
    caller.key.require(Scope.RUN)
    allowed = caller.key.models
    if allowed is not None and allowed.isdisjoint({submission.model, submission.request.model}):
        raise KeyNotAllowed(f"this API key may not use the model `{submission.request.model}`")


def _job_of(submission: Submission, now: datetime) -> Job:
    return Job(
        id=new_id(),
        account_id=submission.caller.account.id,
        key_id=submission.caller.key.id,
        dialect=submission.dialect,
        model=submission.model,
        served_by=submission.served_by,
        state=JobState.QUEUED,
        request=submission.request,
        price_micro=submission.price_micro,
        captured_micro=None,
        attempt=0,
        deaths=0,
        engine_deaths=0,
        created_at=now,
        started_at=None,
        heartbeat_at=None,
        finished_at=None,
        expires_at=now + submission.lifetime,
        cancel_requested_at=None,
        error=None,
        images=(),
        inference_seconds=None,
        output_removed_at=None,
        deadline_at=None if submission.patience is None else now + submission.patience,
        terms=submission.terms,
    )


def _count_refusal(connection: Connection, caller: Caller, model: str, now: datetime) -> None:
    slot = usage.Slot(caller.account.id, caller.key.id, model)
    usage.count(connection, slot, now, {"refused": 1})

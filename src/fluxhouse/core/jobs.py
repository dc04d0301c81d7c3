"""Jobs: the life of a request from its submit to its one terminal state."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    Column,
    Connection,
    Float,
    ForeignKey,
    Index,
    Integer,
    Row,
    String,
    Table,
    bindparam,
    false,
    func,
    insert,
    select,
    text,
    update,
)

from fluxhouse.core.accounts import accounts
from fluxhouse.database.schema import Instant, metadata
from fluxhouse.generation.errors import (
    ContentModerated,
    GenerationFailed,
    PlatformError,
    PromptRefused,
    UnknownJob,
)
from fluxhouse.generation.image import DeliveredImage
from fluxhouse.generation.request import GenerationRequest


class JobState(StrEnum):
    """Where a job stands. The last three are terminal: nothing leaves them."""

    QUEUED = "queued"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def terminal(self) -> bool:
        return self not in OPEN_STATES


OPEN_STATES = frozenset({JobState.QUEUED, JobState.RUNNING})
_GRACE = timedelta(hours=1)
# Literal, never bound: a partial index serves only a query that says its condition in the same words.
IS_OPEN = text("state IN ('queued', 'running')")
_HAS_DEADLINE = text("deadline_at IS NOT NULL AND state IN ('queued', 'running')")

jobs = Table(
    "jobs",
    metadata,
    Column("id", String(32), primary_key=True),
    Column("account_id", String(32), ForeignKey("accounts.id"), nullable=False),
    Column("key_id", String(8), ForeignKey("keys.id"), nullable=False),
    Column("dialect", String(20), nullable=False),
    Column("model", String(60), nullable=False),
    Column("served_by", String(60), nullable=False),
    Column("state", String(10), nullable=False),
    Column("request", JSON, nullable=False),
    Column("price_micro", BigInteger, nullable=False),
    Column("captured_micro", BigInteger),
    Column("attempt", Integer, nullable=False),
    Column("deaths", Integer, nullable=False),
    Column("engine_deaths", Integer, nullable=False),
    Column("created_at", Instant, nullable=False),
    Column("started_at", Instant),
    Column("heartbeat_at", Instant),
    Column("finished_at", Instant),
    Column("expires_at", Instant, nullable=False),
    Column("cancel_requested_at", Instant),
    Column("error", JSON(none_as_null=True)),
    Column("images", JSON, nullable=False),
    Column("inference_seconds", Float),
    Column("output_removed_at", Instant),
    Column("deadline_at", Instant),
    Column("terms", JSON(none_as_null=True)),
    Index("ix_jobs_owner", "account_id", "created_at", "id"),
    Index("ix_jobs_open", "state", "heartbeat_at", sqlite_where=IS_OPEN, postgresql_where=IS_OPEN),
    Index("ix_jobs_deadline", "deadline_at", sqlite_where=_HAS_DEADLINE, postgresql_where=_HAS_DEADLINE),
    Index(
        "ix_jobs_to_sweep",
        "expires_at",
        sqlite_where=text("output_removed_at IS NULL"),
        postgresql_where=text("output_removed_at IS NULL"),
    ),
)


# Built once: building a statement costs more than running it.
_FIND = select(jobs).where(jobs.c.id == bindparam("found"))
_INSERT = insert(jobs)
_CHANGE = (
    update(jobs)
    .where(
        jobs.c.id == bindparam("seen_id"),
        jobs.c.attempt == bindparam("seen_attempt"),
        jobs.c.state == bindparam("seen_state"),
    )
    .returning(jobs)
)


@dataclass(frozen=True, slots=True)
class JobError:
    """Why a job failed: a stable code, a sentence, and whether trying again can help."""

    code: str
    message: str
    retryable: bool

    @classmethod
    def of(cls, failure: PlatformError) -> JobError:
        """A request that was at fault is so again."""
        return cls(failure.code, failure.message, isinstance(failure, GenerationFailed) and failure.retryable)

    @property
    def moderated(self) -> PromptRefused | None:
        """The error again where moderation was the reason."""
        kind = next((kind for kind in (ContentModerated, PromptRefused) if kind.code == self.code), None)
        return None if kind is None else kind(self.message, field="prompt")


@dataclass(frozen=True, slots=True)
class Terms:
    """What a dialect agreed with its caller beside the pictures.

    `webhook_events` are what its webhook is told of, None for the end alone. `remarks` is what the dialect wants to
    find on the job again, in its own words: a JSON object. With `deadline_for_start` the deadline is for its start
    alone: once it has begun, it is let finish.
    """

    webhook_events: tuple[str, ...] | None = None
    remarks: Mapping[str, Any] = field(default_factory=dict)
    deadline_for_start: bool = False

    def to_json(self) -> dict[str, Any] | None:
        """A JSON-ready mapping that `from_json` restores; None where nothing was agreed."""
        return None if self == Terms() else asdict(self)

    @classmethod
    def from_json(cls, fields: Mapping[str, Any] | None) -> Terms:
        if fields is None:
            return cls()
        events = fields["webhook_events"]
        for_start = fields.get("deadline_for_start", False)  # absent from jobs of earlier versions
        return cls(None if events is None else tuple(events), fields["remarks"], for_start)


@dataclass(frozen=True, slots=True)
class Job:
    """One job as its row stands.

    `model` is the catalog entry that was asked, `request.model` the one that makes the images.
    `price_micro` is the price of one image, a snapshot of the moment of submit; `captured_micro` what was charged.
    `attempt` counts claims and fences late workers; `deaths` counts the attempts that the death of a process ended,
    `engine_deaths` those of an engine with the job on the device. `served_by` is who shall make it, in the end who did.
    At `deadline_at`, where its caller set one, it is cancelled if it has not ended, see also `Terms`.
    """

    id: str
    account_id: str
    key_id: str
    dialect: str
    model: str
    served_by: str
    state: JobState
    request: GenerationRequest
    price_micro: int
    captured_micro: int | None
    attempt: int
    deaths: int
    engine_deaths: int
    created_at: datetime
    started_at: datetime | None
    heartbeat_at: datetime | None
    finished_at: datetime | None
    expires_at: datetime
    cancel_requested_at: datetime | None
    error: JobError | None
    images: tuple[DeliveredImage, ...]
    inference_seconds: float | None
    output_removed_at: datetime | None
    deadline_at: datetime | None = None
    terms: Terms = field(default_factory=Terms)

    @property
    def hold_micro(self) -> int:
        """What submit set aside: the price of every image asked for."""
        return self.price_micro * self.request.count

    def is_gone(self, now: datetime) -> bool:
        """Whether its images, if it made any, have expired or were deleted."""
        return self.output_removed_at is not None or (self.state.terminal and self.expires_at <= now)

    @property
    def shown(self) -> tuple[DeliveredImage, ...]:
        """Its images but those that were withheld: what was charged for."""
        return tuple(image for image in self.images if not image.withheld)

    @property
    def all_withheld(self) -> bool:
        """Whether it has failed because moderation withheld every picture: what stands in their places is there."""
        return self.state is JobState.FAILED and bool(self.images) and not self.shown


def insert_queued(connection: Connection, job: Job) -> None:
    """Write a new job's row."""
    values = {
        "id": job.id,
        "account_id": job.account_id,
        "key_id": job.key_id,
        "dialect": job.dialect,
        "model": job.model,
        "served_by": job.served_by,
        "state": JobState.QUEUED,
        "request": job.request.to_json(),
        "price_micro": job.price_micro,
        "attempt": 0,
        "deaths": 0,
        "engine_deaths": 0,
        "created_at": job.created_at,
        "expires_at": job.expires_at,
        "images": [],
        "deadline_at": job.deadline_at,
        "terms": job.terms.to_json(),
    }
    connection.execute(_INSERT, values)


def find(connection: Connection, job_id: str) -> Job | None:
    """The job with that id, whoever owns it."""
    row = connection.execute(_FIND, {"found": job_id}).one_or_none()
    return None if row is None else from_row(row)


def get(connection: Connection, job_id: str) -> Job:
    """The job with that id, whoever owns it; raises `UnknownJob`."""
    job = find(connection, job_id)
    if job is None:
        raise UnknownJob
    return job


def locked(connection: Connection, job_id: str) -> Job:
    """`get`, and nobody else changes the row before this transaction ends."""
    row = connection.execute(select(jobs).where(jobs.c.id == job_id).with_for_update(key_share=True)).one_or_none()
    if row is None:
        raise UnknownJob
    return from_row(row)


def owned(connection: Connection, job_id: str, account_id: str) -> Job:
    """The account's own job; a foreign one is as unknown as one that never was."""
    job = find(connection, job_id)
    if job is None or job.account_id != account_id:
        raise UnknownJob
    return job


def change(connection: Connection, job: Job, values: Mapping[str, Any]) -> Job | None:
    """An open job after a change, if it still was in the state and attempt it was seen in; None where it has moved on.

    So a worker that wakes late changes nothing, even while the job waits for its next attempt.
    """
    if job.state.terminal:
        return None
    seen = {"seen_id": job.id, "seen_attempt": job.attempt, "seen_state": job.state}
    row = connection.execute(_CHANGE, {**seen, **values}).one_or_none()
    return None if row is None else from_row(row)


def beat(connection: Connection, held: Sequence[tuple[str, int]], now: datetime) -> None:
    """Say of (job id, attempt) pairs that their worker is alive."""
    for job_id, attempt in held:
        mine = update(jobs).where(jobs.c.id == job_id, jobs.c.attempt == attempt, jobs.c.state == JobState.RUNNING)
        connection.execute(mine, {"heartbeat_at": now})


def open_jobs(connection: Connection) -> list[Job]:
    """Every job that has not ended."""
    return [from_row(row) for row in connection.execute(select(jobs).where(IS_OPEN))]


def running(connection: Connection, silent_since: datetime | None = None) -> list[Job]:
    """Every running job, or those without a heartbeat since that moment."""
    found = select(jobs).where(IS_OPEN, jobs.c.state == JobState.RUNNING)
    if silent_since is not None:
        found = found.where(jobs.c.heartbeat_at < silent_since)
    return [from_row(row) for row in connection.execute(found)]


def count_open(connection: Connection) -> dict[str, int]:
    """How many jobs are queued and running."""
    counted = select(jobs.c.state, func.count()).where(IS_OPEN).group_by(jobs.c.state)
    found = {str(state): int(count) for state, count in connection.execute(counted)}
    return {state: found.get(state, 0) for state in OPEN_STATES}


def failed_since(connection: Connection, moment: datetime) -> list[Job]:
    """The jobs that failed since that moment, the newest first; those that were a day or more under way left out."""
    everybody = jobs.c.account_id.in_(select(accounts.c.id))  # so that the index of owners leads to the recent ones
    recent = everybody & (jobs.c.created_at >= moment - timedelta(days=1))
    failed = select(jobs).where(recent, jobs.c.state == JobState.FAILED, jobs.c.finished_at >= moment)
    return [from_row(row) for row in connection.execute(failed.order_by(jobs.c.finished_at.desc()))]


def overdue(connection: Connection, now: datetime, limit: int) -> list[Job]:
    """Waiting jobs past their expiry; one that ran already has an hour more to be run again."""
    late = (jobs.c.expires_at <= now) & ((jobs.c.attempt == 0) | (jobs.c.expires_at <= now - _GRACE))
    due = select(jobs).where(IS_OPEN, jobs.c.state == JobState.QUEUED, late)
    return [from_row(row) for row in connection.execute(due.order_by(jobs.c.expires_at).limit(limit))]


def late(connection: Connection, now: datetime, limit: int) -> list[Job]:
    """Jobs that have not ended, or begun, by the deadline of their caller, and were not asked to stop yet."""
    due = select(jobs).where(_HAS_DEADLINE, jobs.c.deadline_at <= now, jobs.c.cancel_requested_at.is_(None))
    for_start = func.coalesce(jobs.c.terms["deadline_for_start"].as_boolean(), false())
    due = due.where(jobs.c.started_at.is_(None) | ~for_start)
    return [from_row(row) for row in connection.execute(due.order_by(jobs.c.deadline_at).limit(limit))]


def outdated(connection: Connection, now: datetime, limit: int) -> list[Job]:
    """Ended jobs past their expiry whose bytes were not removed yet."""
    due = select(jobs).where(jobs.c.output_removed_at.is_(None), jobs.c.expires_at <= now)
    due = due.where(jobs.c.state.not_in(OPEN_STATES))
    return [from_row(row) for row in connection.execute(due.order_by(jobs.c.expires_at).limit(limit))]


def output_removed(connection: Connection, job_id: str, now: datetime) -> None:
    """Note that a job's input and output bytes are gone."""
    connection.execute(update(jobs).where(jobs.c.id == job_id).values(output_removed_at=now))


def from_row(row: Row[Any]) -> Job:
    """A job from a row that has its columns under their own names."""
    return Job(
        id=row.id,
        account_id=row.account_id,
        key_id=row.key_id,
        dialect=row.dialect,
        model=row.model,
        served_by=row.served_by,
        state=JobState(row.state),
        request=GenerationRequest.from_json(row.request),
        price_micro=row.price_micro,
        captured_micro=row.captured_micro,
        attempt=row.attempt,
        deaths=row.deaths,
        engine_deaths=row.engine_deaths,
        created_at=row.created_at,
        started_at=row.started_at,
        heartbeat_at=row.heartbeat_at,
        finished_at=row.finished_at,
        expires_at=row.expires_at,
        cancel_requested_at=row.cancel_requested_at,
        error=None if row.error is None else JobError(**row.error),
        images=tuple(DeliveredImage(**image) for image in row.images),
        inference_seconds=row.inference_seconds,
        output_removed_at=row.output_removed_at,
        deadline_at=row.deadline_at,
        terms=Terms.from_json(row.terms),
    )

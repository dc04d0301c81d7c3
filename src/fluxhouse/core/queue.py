"""The queue: which jobs wait, in the order of fair shares; an entry carries an id, the job's row is the truth."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from sqlalchemy import Connection, FromClause, bindparam, func, select, update

from fluxhouse.core import entries, events, fleet, shares, webhooks
from fluxhouse.core.jobs import IS_OPEN, Job, JobState, from_row, jobs
from fluxhouse.database.schema import Instant

_IS_EMPTY = select(~select(jobs.c.id).where(IS_OPEN).exists())
_AS_SEEN = select(jobs).where(jobs.c.id == bindparam("claimed")).with_for_update(key_share=True)
_NOW = bindparam("now", type_=Instant)
_RUN = (
    update(jobs)
    .where(
        jobs.c.id == bindparam("claimed"),
        jobs.c.state == JobState.QUEUED,
        (jobs.c.attempt > 0) | (jobs.c.expires_at > _NOW),
    )
    .values(
        state=JobState.RUNNING,
        attempt=jobs.c.attempt + 1,
        heartbeat_at=_NOW,
        started_at=func.coalesce(jobs.c.started_at, _NOW),
    )
    .returning(jobs)
)


class Driver(Protocol):
    """Where entries are kept; every call works inside the caller's transaction."""

    def enter(self, connection: Connection, job: Job, tag: int, now: datetime) -> None: ...

    def remove(self, connection: Connection, job_id: str) -> None: ...

    def put_back(self, connection: Connection, job: Job, present: int, now: datetime) -> None: ...

    def ahead(self, connection: Connection, job_id: str) -> int | None: ...


@dataclass(frozen=True, slots=True)
class Depth:
    """How many entries of a model wait, and since when the oldest does."""

    model: str
    waiting: int
    oldest: datetime


def defer(connection: Connection, job: Job, weight: int, steps: int, now: datetime) -> None:
    """Put a job into the queue with its fair tag, inside the caller's transaction."""
    _driver(connection).enter(connection, job, shares.next_tag(connection, job, weight, steps), now)


def claim(connection: Connection, limit: int, now: datetime, models: Sequence[str] | None = None) -> list[Job]:
    """Take up to `limit` jobs of the embedded queue in fair order: each is running from here on, its attempt one more.

    `models` are the ones that the worker can have made, None for all.
    """
    taken = entries.take(connection, limit, now, models)
    started = (start(connection, job_id, tag, now) for job_id, tag in taken)
    return [job for job in started if job is not None]


def start(connection: Connection, job_id: str, tag: int, now: datetime) -> Job | None:
    """Claim the job that an entry names: running from here on, its attempt one higher. None where it does not wait.

    One past its expiry that never ran is left to the sweep.
    """
    row = connection.execute(_RUN, {"claimed": job_id, "now": now}).one_or_none()
    if row is None:
        return None
    running = from_row(row)
    events.record(connection, job_id, JobState.RUNNING, running.attempt, now)
    webhooks.begin(connection, running, now)
    shares.advance(connection, tag)
    return running


def remove(connection: Connection, job_id: str) -> None:
    """Take an ended job's entry out; the last one ends a busy period."""
    _driver(connection).remove(connection, job_id)
    if connection.execute(_IS_EMPTY).scalar_one():
        shares.end_period(connection)


def hand_back(connection: Connection, job_id: str, now: datetime) -> None:
    """Let a job wait again whose entry was fetched and not taken up."""
    row = connection.execute(_AS_SEEN, {"claimed": job_id}).one_or_none()
    if row is not None and row.state == JobState.QUEUED:
        put_back(connection, from_row(row), now)


def put_back(connection: Connection, job: Job, now: datetime) -> None:
    """Let a claimed job wait again, before all newer ones: its turn had come."""
    _driver(connection).put_back(connection, job, shares.present(connection), now)


def mend(connection: Connection, now: datetime) -> int:
    """Put back every queued job whose entry was lost with its worker; how many. The embedded queue loses none."""
    if not _is_fleet(connection):
        return 0
    lost = fleet.mend(connection)
    for job_id in lost:
        put_back(connection, from_row(connection.execute(select(jobs).where(jobs.c.id == job_id)).one()), now)
    fleet.rebase(connection, shares.present(connection))
    return len(lost)


def depths(connection: Connection) -> list[Depth]:
    """How long the queue is, for each model that has one."""
    waiting = _waiting(connection)
    counted = select(waiting.c.model, func.count(), func.min(waiting.c.enqueued_at)).group_by(waiting.c.model)
    return [Depth(model, count, oldest) for model, count, oldest in connection.execute(counted)]


def position(connection: Connection, job_id: str) -> int | None:
    """How many waiting jobs come before this one; None where it does not wait."""
    return _driver(connection).ahead(connection, job_id)


def holders(connection: Connection) -> dict[str, int]:
    """The number of the fleet's worker that has each job in hand, by the job's id; empty where one process works."""
    return fleet.holders(connection) if _is_fleet(connection) else {}


def astray(connection: Connection) -> Iterator[str]:
    """Jobs whose entry contradicts their row."""
    return fleet.astray(connection) if _is_fleet(connection) else entries.astray(connection)


def _waiting(connection: Connection) -> FromClause:
    return fleet.waiting if _is_fleet(connection) else entries.waiting


def _driver(connection: Connection) -> Driver:
    return fleet if _is_fleet(connection) else entries


def _is_fleet(connection: Connection) -> bool:
    return connection.dialect.name == "postgresql"

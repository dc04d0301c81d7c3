"""Job events: one row for each change of state, numbered per job, so that a stream can resume after a restart."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import (
    Column,
    Connection,
    ForeignKey,
    Index,
    Integer,
    String,
    Table,
    bindparam,
    func,
    insert,
    select,
    text,
)

from fluxhouse.core.jobs import JobState
from fluxhouse.database.schema import Instant, metadata

_IS_TERMINAL = text("state IN ('succeeded', 'failed', 'cancelled')")

job_events = Table(
    "job_events",
    metadata,
    Column("job_id", String(32), ForeignKey("jobs.id"), primary_key=True),
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("state", String(10), nullable=False),
    Column("attempt", Integer, nullable=False),
    Column("at", Instant, nullable=False),
    # Exactly one terminal transition per job, whatever the code above does.
    Index("uq_job_events_terminal", "job_id", unique=True, sqlite_where=_IS_TERMINAL, postgresql_where=_IS_TERMINAL),
)

_LAST = select(func.coalesce(func.max(job_events.c.number), 0)).where(job_events.c.job_id == bindparam("of_job"))
_NEXT = insert(job_events).values(number=_LAST.scalar_subquery() + 1)


@dataclass(frozen=True, slots=True)
class JobEvent:
    """The job came to `state` at that moment, in that attempt; `number` counts from 1."""

    job_id: str
    number: int
    state: JobState
    attempt: int
    at: datetime


def record(connection: Connection, job_id: str, state: JobState, attempt: int, now: datetime) -> None:
    """Add the next event of a job."""
    connection.execute(_NEXT, {"job_id": job_id, "of_job": job_id, "state": state, "attempt": attempt, "at": now})


def since(connection: Connection, job_id: str, number: int = 0) -> list[JobEvent]:
    """The events of a job after the given number, in order."""
    later = select(job_events).where(job_events.c.job_id == job_id, job_events.c.number > number)
    return [
        JobEvent(row.job_id, row.number, JobState(row.state), row.attempt, row.at)
        for row in connection.execute(later.order_by(job_events.c.number))
    ]


def newest(connection: Connection, job_id: str) -> JobEvent:
    """The last event of a job so far; every job has one from its submit on."""
    last = select(job_events).where(job_events.c.job_id == job_id).order_by(job_events.c.number.desc()).limit(1)
    row = connection.execute(last).one()
    return JobEvent(row.job_id, row.number, JobState(row.state), row.attempt, row.at)

"""The embedded queue: entries in a table of ours, for the one process that serves and works on an SQLite file."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime

from sqlalchemy import (
    BigInteger,
    Column,
    Connection,
    ForeignKey,
    Index,
    String,
    Table,
    bindparam,
    delete,
    func,
    insert,
    select,
    text,
    tuple_,
    update,
)

from fluxhouse.core.jobs import IS_OPEN, Job, jobs
from fluxhouse.database.schema import Instant, RowNumber, metadata

queue_entries = Table(
    "queue_entries",
    metadata,
    Column("number", RowNumber, primary_key=True, autoincrement=True),
    Column("job_id", String(32), ForeignKey("jobs.id"), nullable=False, unique=True),
    Column("model", String(60), nullable=False),
    Column("tag", BigInteger, nullable=False),
    Column("enqueued_at", Instant, nullable=False),
    Column("claimed_at", Instant),
    Index(
        "ix_queue_entries_waiting",
        "tag",
        "number",
        sqlite_where=text("claimed_at IS NULL"),
        postgresql_where=text("claimed_at IS NULL"),
    ),
)

_REMOVE = delete(queue_entries).where(queue_entries.c.job_id == bindparam("removed"))
_WAITS = queue_entries.c.claimed_at.is_(None)

waiting = select(queue_entries).where(_WAITS).subquery("waiting")

_MINE = queue_entries.alias("mine")
_BEFORE_MINE = (
    select(func.count())
    .select_from(queue_entries)
    .where(_WAITS, tuple_(queue_entries.c.tag, queue_entries.c.number) < tuple_(_MINE.c.tag, _MINE.c.number))
    .scalar_subquery()
)
_AHEAD = select(_BEFORE_MINE).where(_MINE.c.job_id == bindparam("waits"), _MINE.c.claimed_at.is_(None))


def enter(connection: Connection, job: Job, tag: int, now: datetime) -> None:
    """Let a job wait."""
    entry = {"job_id": job.id, "model": job.request.model, "tag": tag, "enqueued_at": now}
    connection.execute(insert(queue_entries), entry)


def remove(connection: Connection, job_id: str) -> None:
    """Take a job's entry out, claimed or not."""
    connection.execute(_REMOVE, {"removed": job_id})


def put_back(connection: Connection, job: Job, present: int, now: datetime) -> None:
    """Let a claimed job wait again under its old tag."""
    back = update(queue_entries).where(queue_entries.c.job_id == job.id).values(claimed_at=None)
    if connection.execute(back).rowcount == 0:
        enter(connection, job, present, now)


def ahead(connection: Connection, job_id: str) -> int | None:
    """How many entries are taken before a waiting job's; None where it does not wait."""
    return connection.execute(_AHEAD, {"waits": job_id}).scalar()


def take(connection: Connection, limit: int, now: datetime, models: Sequence[str] | None) -> list[tuple[str, int]]:
    """Claim up to `limit` entries in fair order: job and tag. Jobs past their expiry are left to the sweep."""
    found = (
        select(queue_entries.c.number, queue_entries.c.tag, queue_entries.c.job_id)
        .join(jobs, jobs.c.id == queue_entries.c.job_id)
        .where(_WAITS, (jobs.c.expires_at > now) | (jobs.c.attempt > 0))
    )
    if models is not None:
        found = found.where(queue_entries.c.model.in_(models))
    rows = connection.execute(found.order_by(queue_entries.c.tag, queue_entries.c.number).limit(limit)).all()
    if rows:
        numbers = [row.number for row in rows]
        connection.execute(update(queue_entries).where(queue_entries.c.number.in_(numbers)).values(claimed_at=now))
    return [(row.job_id, row.tag) for row in rows]


def astray(connection: Connection) -> Iterator[str]:
    """Jobs whose entry contradicts their row: an open job has one, an ended one none."""
    queued = {job_id for (job_id,) in connection.execute(select(queue_entries.c.job_id))}
    unfinished = {job_id for (job_id,) in connection.execute(select(jobs.c.id).where(IS_OPEN))}
    yield from sorted(queued ^ unfinished)

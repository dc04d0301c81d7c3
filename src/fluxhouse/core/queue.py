"""The queue: which jobs wait, in the order of fair shares; an entry carries an id, the job's row is the truth."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import (
    BigInteger,
    Column,
    Connection,
    ForeignKey,
    Index,
    Integer,
    String,
    Table,
    delete,
    func,
    insert,
    select,
    text,
    update,
)

from fluxhouse.core import events
from fluxhouse.core.jobs import Job, JobState, from_row, jobs
from fluxhouse.database.schema import Instant, metadata

_CLOCK = ""  # the row of fair_shares that holds the virtual time itself
_COST_UNIT_PX = 64 * 64  # cost is counted in blocks of 64 x 64 px times steps

queue_entries = Table(
    "queue_entries",
    metadata,
    Column("number", Integer, primary_key=True, autoincrement=True),
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

fair_shares = Table(
    "fair_shares",
    metadata,
    Column("account_id", String(32), primary_key=True),
    Column("finish_tag", BigInteger, nullable=False),
)


@dataclass(frozen=True, slots=True)
class Depth:
    """How many entries of a model wait, and since when the oldest does."""

    model: str
    waiting: int
    oldest: datetime


def defer(connection: Connection, job: Job, weight: int, steps: int, now: datetime) -> None:
    """Put a job into the queue with its fair tag, inside the caller's transaction.

    Start-time fair queueing (Goyal, Vin, Cheng 1996): an account's next job starts, in virtual time, where its last one
    ends, but never before the present; the virtual time is the tag of the newest claim. So an account with a thousand
    jobs waiting has tags far ahead, and another's first job has a tag of now.
    """
    request = job.request
    cost = max(1, request.width * request.height // _COST_UNIT_PX) * steps * request.count
    start = max(_tag_of(connection, _CLOCK), _tag_of(connection, job.account_id))
    _set_tag(connection, job.account_id, start + max(1, cost // weight))
    connection.execute(insert(queue_entries).values(job_id=job.id, model=request.model, tag=start, enqueued_at=now))


def claim(connection: Connection, limit: int, now: datetime, models: Sequence[str] | None = None) -> list[Job]:
    """Take up to `limit` waiting jobs in fair order: each is running from here on, its attempt one higher.

    `models` are the ones that the worker can have made, None for all. Jobs past their expiry are left to the sweep.
    """
    waiting = (
        select(queue_entries.c.number, queue_entries.c.tag, jobs)
        .join(jobs, jobs.c.id == queue_entries.c.job_id)
        .where(queue_entries.c.claimed_at.is_(None), (jobs.c.expires_at > now) | (jobs.c.attempt > 0))
    )
    if models is not None:
        waiting = waiting.where(queue_entries.c.model.in_(models))
    rows = connection.execute(waiting.order_by(queue_entries.c.tag, queue_entries.c.number).limit(limit)).all()
    if not rows:
        return []
    numbers = [row.number for row in rows]
    connection.execute(update(queue_entries).where(queue_entries.c.number.in_(numbers)).values(claimed_at=now))
    newest = max(row.tag for row in rows)
    if newest > _tag_of(connection, _CLOCK):
        _set_tag(connection, _CLOCK, newest)
    return [_start(connection, from_row(row), now) for row in rows]


def remove(connection: Connection, job_id: str) -> None:
    """Take a job's entry out, claimed or not."""
    connection.execute(delete(queue_entries).where(queue_entries.c.job_id == job_id))


def put_back(connection: Connection, job: Job, now: datetime) -> None:
    """Let a claimed job wait again, before all newer ones: its turn had come."""
    back = update(queue_entries).where(queue_entries.c.job_id == job.id).values(claimed_at=None)
    if connection.execute(back).rowcount == 0:
        connection.execute(
            insert(queue_entries).values(
                job_id=job.id, model=job.request.model, tag=_tag_of(connection, _CLOCK), enqueued_at=now
            )
        )


def depths(connection: Connection) -> list[Depth]:
    """How long the queue is, for each model that has one."""
    counted = (
        select(queue_entries.c.model, func.count(), func.min(queue_entries.c.enqueued_at))
        .where(queue_entries.c.claimed_at.is_(None))
        .group_by(queue_entries.c.model)
    )
    return [Depth(model, waiting, oldest) for model, waiting, oldest in connection.execute(counted)]


def position(connection: Connection, job_id: str) -> int | None:
    """How many waiting jobs come before this one; None where it does not wait."""
    mine = connection.execute(
        select(queue_entries).where(queue_entries.c.job_id == job_id, queue_entries.c.claimed_at.is_(None))
    ).one_or_none()
    if mine is None:
        return None
    same_tag = (queue_entries.c.tag == mine.tag) & (queue_entries.c.number < mine.number)
    before = select(func.count()).select_from(queue_entries)
    return connection.execute(
        before.where(queue_entries.c.claimed_at.is_(None), (queue_entries.c.tag < mine.tag) | same_tag)
    ).scalar_one()


def _start(connection: Connection, job: Job, now: datetime) -> Job:
    attempt = job.attempt + 1
    values = {"state": JobState.RUNNING, "attempt": attempt, "heartbeat_at": now, "started_at": job.started_at or now}
    started = update(jobs).where(jobs.c.id == job.id).values(**values).returning(jobs)
    running = from_row(connection.execute(started).one())
    events.record(connection, job.id, JobState.RUNNING, attempt, now)
    return running


def _tag_of(connection: Connection, account_id: str) -> int:
    found = select(fair_shares.c.finish_tag).where(fair_shares.c.account_id == account_id)
    return connection.execute(found).scalar() or 0


def _set_tag(connection: Connection, account_id: str, tag: int) -> None:
    known = update(fair_shares).where(fair_shares.c.account_id == account_id).values(finish_tag=tag)
    if connection.execute(known).rowcount == 0:
        connection.execute(insert(fair_shares).values(account_id=account_id, finish_tag=tag))

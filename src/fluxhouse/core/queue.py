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
    bindparam,
    delete,
    func,
    select,
    text,
    update,
)
from sqlalchemy.dialects.postgresql import insert  # SQLite compiles its ON CONFLICT as well

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

# An account's next start: the later of the present and its own last end.
_START = select(func.max(fair_shares.c.finish_tag)).where(
    fair_shares.c.account_id.in_([_CLOCK, bindparam("account_id")])
)
_FIRST = insert(fair_shares)
_MOVE_ON = _FIRST.on_conflict_do_update(
    index_elements=[fair_shares.c.account_id],
    set_={"finish_tag": _FIRST.excluded.finish_tag},
    where=fair_shares.c.finish_tag < _FIRST.excluded.finish_tag,
)
_REMOVE = delete(queue_entries).where(queue_entries.c.job_id == bindparam("removed"))
_IS_EMPTY = select(~select(queue_entries.c.number).exists())
_RUN = (
    update(jobs)
    .where(jobs.c.id == bindparam("claimed"))
    .values({name: bindparam(name) for name in ("state", "attempt", "heartbeat_at", "started_at")})
    .returning(jobs)
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
    start = connection.execute(_START, {"account_id": job.account_id}).scalar() or 0
    _move_on(connection, job.account_id, start + max(1, cost // weight))
    _enter(connection, job, start, now)


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
    _move_on(connection, _CLOCK, max(row.tag for row in rows))
    return [_start(connection, from_row(row), now) for row in rows]


def remove(connection: Connection, job_id: str) -> None:
    """Take a job's entry out, claimed or not.

    The last entry ends a busy period: virtual time moves on to the end of all that was asked, as the paper has it, so
    that nobody who comes later pays for what he used while the house had time to spare.
    """
    connection.execute(_REMOVE, {"removed": job_id})
    if connection.execute(_IS_EMPTY).scalar_one():
        _move_on(connection, _CLOCK, connection.execute(select(func.max(fair_shares.c.finish_tag))).scalar() or 0)


def put_back(connection: Connection, job: Job, now: datetime) -> None:
    """Let a claimed job wait again, before all newer ones: its turn had come."""
    back = update(queue_entries).where(queue_entries.c.job_id == job.id).values(claimed_at=None)
    if connection.execute(back).rowcount == 0:
        _enter(connection, job, connection.execute(_START, {"account_id": _CLOCK}).scalar() or 0, now)


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
    running = from_row(connection.execute(_RUN, values | {"claimed": job.id}).one())
    events.record(connection, job.id, JobState.RUNNING, attempt, now)
    return running


def _enter(connection: Connection, job: Job, tag: int, now: datetime) -> None:
    entry = {"job_id": job.id, "model": job.request.model, "tag": tag, "enqueued_at": now}
    connection.execute(insert(queue_entries), entry)


def _move_on(connection: Connection, account_id: str, tag: int) -> None:
    """Set a finish tag, or the clock; neither ever goes back."""
    connection.execute(_MOVE_ON, {"account_id": account_id, "finish_tag": tag})

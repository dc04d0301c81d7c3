"""Errands: what providers were sent for, kept so that no restart sends for it twice and no end forgets it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import (
    JSON,
    BigInteger,
    Column,
    ColumnElement,
    Connection,
    ForeignKey,
    Index,
    Integer,
    PrimaryKeyConstraint,
    String,
    Table,
    insert,
    select,
    text,
    update,
)

from fluxhouse.core.jobs import OPEN_STATES, jobs
from fluxhouse.database.schema import Instant, metadata
from fluxhouse.generation.errand import OPEN_ERRANDS, Errand, ErrandState

# Literal, never bound: a partial index serves only a query that says its condition in the same words.
_IS_OPEN = text("errands.state IN ('sending', 'accepted')")

errands = Table(
    "errands",
    metadata,
    Column("job_id", String(32), ForeignKey("jobs.id"), nullable=False),
    Column("provider", String(60), nullable=False),
    Column("image", Integer, nullable=False),
    Column("state", String(10), nullable=False),
    Column("receipt", JSON, nullable=False),
    Column("cost_micro_usd", BigInteger, nullable=False),
    Column("created_at", Instant, nullable=False),
    Column("changed_at", Instant, nullable=False),
    PrimaryKeyConstraint("job_id", "provider", "image"),
    Index("ix_errands_open", "job_id", sqlite_where=text("state IN ('sending', 'accepted')"),
          postgresql_where=text("state IN ('sending', 'accepted')")),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class LeftOver:
    """An open errand of a job that has ended."""

    job_id: str
    errand: Errand


def begin(connection: Connection, job_id: str, provider: str, index: int, now: datetime) -> Errand:
    """The errand for image `index` of a job, written as being sent where there was none or it had been refused."""
    where = _is(job_id, provider, index)
    row = connection.execute(select(errands).where(*where)).one_or_none()
    if row is None:
        values = {"job_id": job_id, "provider": provider, "image": index, "created_at": now}
        values |= {"state": ErrandState.SENDING, "receipt": {}, "cost_micro_usd": 0, "changed_at": now}
        connection.execute(insert(errands).values(values))
    elif row.state == ErrandState.REFUSED:
        connection.execute(update(errands).where(*where).values(state=ErrandState.SENDING, changed_at=now))
    else:
        return _errand(job_id, provider, index, ErrandState(row.state), row.receipt)
    return _errand(job_id, provider, index, ErrandState.SENDING, {}, fresh=True)


def accept(
    connection: Connection, job_id: str, provider: str, index: int, receipt: Mapping[str, str], now: datetime
) -> None:
    """Keep what the provider calls an errand that is open."""
    values = {"state": ErrandState.ACCEPTED, "receipt": dict(receipt), "changed_at": now}
    connection.execute(update(errands).where(*_is(job_id, provider, index), _IS_OPEN).values(values))


def end(
    connection: Connection,
    job_id: str,
    provider: str,
    index: int,
    state: ErrandState,
    now: datetime,
    cost_micro_usd: int = 0,
) -> bool:
    """Keep how an open errand ended; False where that was known before."""
    values = {"state": state, "cost_micro_usd": cost_micro_usd, "changed_at": now}
    statement = update(errands).where(*_is(job_id, provider, index), _IS_OPEN).values(values)
    return connection.execute(statement).rowcount > 0


def begun(connection: Connection, job_id: str) -> set[str]:
    """The providers that hold something of a job: an image in the making, or a made one."""
    kept = [*OPEN_ERRANDS, ErrandState.MADE]
    rows = connection.execute(select(errands.c.provider).where(errands.c.job_id == job_id, errands.c.state.in_(kept)))
    return set(rows.scalars())


def left_over(connection: Connection, provider: str, limit: int) -> list[LeftOver]:
    """Open errands of jobs that have ended, at this provider, the oldest first."""
    found = connection.execute(
        select(errands)
        .join(jobs, jobs.c.id == errands.c.job_id)
        .where(_IS_OPEN, jobs.c.state.not_in(OPEN_STATES), errands.c.provider == provider)
        .order_by(errands.c.created_at)
        .limit(limit)
    )
    return [
        LeftOver(row.job_id, _errand(row.job_id, row.provider, row.image, ErrandState(row.state), row.receipt))
        for row in found
    ]


def _is(job_id: str, provider: str, index: int) -> tuple[ColumnElement[bool], ...]:
    return errands.c.job_id == job_id, errands.c.provider == provider, errands.c.image == index


def _errand(
    job_id: str,
    provider: str,
    index: int,
    state: ErrandState,
    receipt: Mapping[str, str],
    fresh: bool = False,
) -> Errand:
    return Errand(provider, index, f"fluxhouse-{job_id}-{provider}-{index}", state, receipt, fresh)

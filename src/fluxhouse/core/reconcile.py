"""Reconcile: prove on one snapshot that the ledger balances and that balances, holds and jobs agree with it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from sqlalchemy import BigInteger, ColumnElement, Connection, Row, Select, case, cast, exists, func, select

from fluxhouse.core import queue
from fluxhouse.core.events import job_events
from fluxhouse.core.jobs import OPEN_STATES, jobs
from fluxhouse.core.ledger import balances, ledger_entries

_ENDED_STATES = ("succeeded", "failed", "cancelled")
_BATCH = 1000  # rows


@dataclass(frozen=True, slots=True)
class Drift:
    """Something that does not add up: which rule, about what, and by how much."""

    rule: str
    subject: str
    difference_micro: int


def reconcile(connection: Connection) -> list[Drift]:
    """Everything that does not add up; an empty list is the proof that all does."""
    return [*_transfers(connection), *_projections(connection), *_job_holds(connection), *_endings(connection)]


def _transfers(connection: Connection) -> Iterator[Drift]:
    """Each transfer's two entries, and so the whole ledger, sum to zero."""
    amount = _total(ledger_entries.c.amount_micro)
    uneven = select(ledger_entries.c.transfer_id, amount).group_by(ledger_entries.c.transfer_id)
    for transfer_id, difference in connection.execute(uneven.having((amount != 0) | (func.count() != 2))):
        yield Drift("a transfer has two entries that sum to zero", transfer_id, difference)


def _projections(connection: Connection) -> Iterator[Drift]:
    """Each balance is the sum of its entries."""
    summed = select(ledger_entries.c.ledger_account, _total(ledger_entries.c.amount_micro))
    entries = _mapping(connection, summed.group_by(ledger_entries.c.ledger_account))
    projected = {row.ledger_account: row.amount_micro for row in connection.execute(select(balances))}
    for name in sorted(entries.keys() | projected.keys()):
        difference = projected.get(name, 0) - entries.get(name, 0)
        if difference:
            yield Drift("a balance is the sum of its entries", name, difference)
        if projected.get(name, 0) < 0 and not name.startswith("house:"):
            yield Drift("no account's balance is below zero", name, projected[name])


def _job_holds(connection: Connection) -> Iterator[Drift]:
    """An open job holds its whole price, an ended one nothing; and what it captured is what its row says."""
    job_id, amount = ledger_entries.c.job_id, ledger_entries.c.amount_micro
    captured = _total(case((ledger_entries.c.kind == "capture", -amount), else_=0)).label("captured")
    sums = select(job_id, _total(amount).label("held"), captured).group_by(job_id)
    sums_of = sums.where(job_id.is_not(None), ledger_entries.c.ledger_account.like("%:held")).subquery("sums_of")
    rows = select(jobs.c.id, jobs.c.state, jobs.c.price_micro, jobs.c.captured_micro, jobs.c.request, jobs.c.images)
    beside = rows.add_columns(sums_of.c.held, sums_of.c.captured).outerjoin(sums_of, sums_of.c.job_id == jobs.c.id)
    for row in _streamed(connection, beside):
        expected = row.price_micro * row.request["count"] if row.state in OPEN_STATES else 0
        if row.held is None:
            yield Drift("a job has a hold", row.id, row.price_micro)
        elif row.held != expected:
            yield Drift("an open job holds its price, an ended one nothing", row.id, row.held - expected)
        captured_micro = row.captured or 0
        shown = sum(not image.get("withheld") for image in row.images)
        if captured_micro != (row.captured_micro or 0) or captured_micro != row.price_micro * shown:
            difference = captured_micro - (row.captured_micro or 0)
            yield Drift("a job is charged for its delivered images", row.id, difference)
    lost = select(sums_of.c.job_id, sums_of.c.held).where(~exists().where(jobs.c.id == sums_of.c.job_id))
    for job, held in connection.execute(lost):
        yield Drift("a hold has a job", job, held)


def _endings(connection: Connection) -> Iterator[Drift]:
    """An ended job has one terminal event, of its state, and no queue entry; an open one an entry and no such event."""
    terminal = (job_events.c.job_id == jobs.c.id) & job_events.c.state.in_(_ENDED_STATES)
    told = select(jobs.c.id, jobs.c.state, job_events.c.state.label("told")).outerjoin(job_events, terminal)
    for row in _streamed(connection, told):
        if row.told != (None if row.state in OPEN_STATES else row.state):
            yield Drift("an ended job has one terminal event, of its state", row.id, 0)
    for job_id in queue.astray(connection):
        yield Drift("an open job has a queue entry, an ended one none", job_id, 0)


def _streamed(connection: Connection, query: Select[Any]) -> Iterable[Row[Any]]:
    """The rows of all jobs, of which only some are in memory at a time."""
    return connection.execute(query.execution_options(yield_per=_BATCH))


def _total(amounts: ColumnElement[int]) -> ColumnElement[int]:
    # PostgreSQL sums 64-bit integers to decimals.
    return cast(func.sum(amounts), BigInteger)


def _mapping(connection: Connection, pairs: Select[str, int]) -> dict[str, int]:
    return {row[0]: row[1] for row in connection.execute(pairs)}

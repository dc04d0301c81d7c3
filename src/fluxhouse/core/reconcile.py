"""Reconcile: prove on one snapshot that the ledger balances and that balances, holds and jobs agree with it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from sqlalchemy import BigInteger, ColumnElement, Connection, Select, cast, func, select

from fluxhouse.core import queue
from fluxhouse.core.events import job_events
from fluxhouse.core.jobs import OPEN_STATES, jobs
from fluxhouse.core.ledger import balances, ledger_entries

_ENDED_STATES = ("succeeded", "failed", "cancelled")


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
    still_held = select(ledger_entries.c.job_id, _total(ledger_entries.c.amount_micro))
    of_jobs = still_held.where(ledger_entries.c.job_id.is_not(None), ledger_entries.c.ledger_account.like("%:held"))
    holds = _mapping(connection, of_jobs.group_by(ledger_entries.c.job_id))
    captured_by = select(ledger_entries.c.job_id, -_total(ledger_entries.c.amount_micro))
    of_captures = captured_by.where(ledger_entries.c.kind == "capture", ledger_entries.c.ledger_account.like("%:held"))
    captures = _mapping(connection, of_captures.group_by(ledger_entries.c.job_id))
    rows = select(jobs.c.id, jobs.c.state, jobs.c.price_micro, jobs.c.captured_micro, jobs.c.request, jobs.c.images)
    for row in connection.execute(rows):
        if row.id not in holds:
            yield Drift("a job has a hold", row.id, row.price_micro)
        expected = row.price_micro * row.request["count"] if row.state in OPEN_STATES else 0
        difference = holds.pop(row.id, expected) - expected
        if difference:
            yield Drift("an open job holds its price, an ended one nothing", row.id, difference)
        captured = captures.get(row.id, 0)
        shown = sum(not image.get("withheld") for image in row.images)
        if captured != (row.captured_micro or 0) or captured != row.price_micro * shown:
            yield Drift("a job is charged for its delivered images", row.id, captured - (row.captured_micro or 0))
    for job_id, total in holds.items():
        yield Drift("a hold has a job", job_id, total)


def _endings(connection: Connection) -> Iterator[Drift]:
    """An ended job has one terminal event, of its state, and no queue entry; an open one an entry and no such event."""
    terminal = select(job_events.c.job_id, job_events.c.state).where(job_events.c.state.in_(_ENDED_STATES))
    ended = {row.job_id: row.state for row in connection.execute(terminal)}
    for job_id, state in connection.execute(select(jobs.c.id, jobs.c.state)):
        is_open = state in OPEN_STATES
        if ended.get(job_id) != (None if is_open else state):
            yield Drift("an ended job has one terminal event, of its state", job_id, 0)
    for job_id in queue.astray(connection):
        yield Drift("an open job has a queue entry, an ended one none", job_id, 0)


def _total(amounts: ColumnElement[int]) -> ColumnElement[int]:
    # PostgreSQL sums 64-bit integers to decimals.
    return cast(func.sum(amounts), BigInteger)


def _mapping(connection: Connection, pairs: Select[str, int]) -> dict[str, int]:
    return {row[0]: row[1] for row in connection.execute(pairs)}

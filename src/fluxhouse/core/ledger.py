"""The ledger: double-entry, append-only, in integer micro-credits; balances are projections of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    Connection,
    Index,
    Row,
    String,
    Table,
    UniqueConstraint,
    bindparam,
    case,
    func,
    insert,
    select,
    update,
)
from sqlalchemy.dialects.postgresql import insert as upsert  # SQLite compiles its ON CONFLICT as well

from fluxhouse.core.ids import new_id
from fluxhouse.database.schema import Instant, RowNumber, metadata
from fluxhouse.generation.errors import InsufficientCredits

ISSUED = "house:issued"  # where granted credits come from; its balance is minus all credits ever granted
EARNED = "house:earned"  # where captured credits go

ledger_entries = Table(
    "ledger_entries",
    metadata,
    Column("id", RowNumber, primary_key=True, autoincrement=True),
    Column("transfer_id", String(32), nullable=False),
    Column("kind", String(10), nullable=False),  # grant, hold, capture, release
    Column("ledger_account", String(60), nullable=False),
    Column("amount_micro", BigInteger, nullable=False),
    Column("job_id", String(32)),
    Column("reference", String(200)),
    Column("created_at", Instant, nullable=False),
    # A job is held, captured and released at most once each, whatever the code above does.
    UniqueConstraint("job_id", "kind", "ledger_account", name="uq_ledger_entries_job"),
    # The same payment or voucher is granted at most once.
    UniqueConstraint("reference", "kind", "ledger_account", name="uq_ledger_entries_reference"),
    Index("ix_ledger_entries_ledger_account", "ledger_account", "id"),
)

balances = Table(
    "balances",
    metadata,
    Column("ledger_account", String(60), primary_key=True),
    Column("amount_micro", BigInteger, nullable=False),
    CheckConstraint("amount_micro >= 0 OR ledger_account LIKE 'house:%'", name="never_negative"),
)

# Built once: building a statement costs more than running it.
_SOURCE, _MOVED = bindparam("source", type_=String), bindparam("moved_micro", type_=BigInteger)
_BEFORE = balances.alias("before")
_HAS = select(_BEFORE.c.amount_micro).where(_BEFORE.c.ledger_account == _SOURCE).scalar_subquery()
_SET_ASIDE = (
    update(balances)
    .where(balances.c.ledger_account.in_([_SOURCE, bindparam("target")]), _HAS >= _MOVED)
    .values(amount_micro=balances.c.amount_micro + case((balances.c.ledger_account == _SOURCE, -_MOVED), else_=_MOVED))
    .returning(balances.c.ledger_account, balances.c.amount_micro)
)
_ADD = (
    update(balances)
    .where(balances.c.ledger_account == bindparam("added_to"))
    .values(amount_micro=balances.c.amount_micro + bindparam("added_micro"))
)
_HALF = {
    "transfer_id": bindparam("transfer"),
    "kind": bindparam("of_kind"),
    "job_id": bindparam("of_job"),
    "reference": bindparam("referred"),
    "created_at": bindparam("at", type_=Instant),
}
_BOTH_ENTRIES = insert(ledger_entries).values(
    [
        _HALF | {"ledger_account": bindparam("source"), "amount_micro": bindparam("taken_micro")},
        _HALF | {"ledger_account": bindparam("target"), "amount_micro": bindparam("given_micro")},
    ]
)
_FIRST = upsert(balances)
_OPEN = _FIRST.on_conflict_do_update(
    index_elements=[balances.c.ledger_account],
    set_={"amount_micro": balances.c.amount_micro + _FIRST.excluded.amount_micro},
)


@dataclass(frozen=True, slots=True)
class Balance:
    """What an account can spend and what its unfinished jobs hold, in micro-credits."""

    available_micro: int
    held_micro: int

    @property
    def total_micro(self) -> int:
        return self.available_micro + self.held_micro


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of the ledger as its owner sees it."""

    id: int
    kind: str
    amount_micro: int
    job_id: str | None
    reference: str | None
    created_at: datetime


def available(account_id: str) -> str:
    """The ledger account of what an account can spend."""
    return f"account:{account_id}:available"


def held(account_id: str) -> str:
    """The ledger account of what an account's unfinished jobs hold."""
    return f"account:{account_id}:held"


def balance(connection: Connection, account_id: str) -> Balance:
    """What the account has; zeros before its first entry."""
    return balances_of(connection, [account_id])[account_id]


def balances_of(connection: Connection, account_ids: Sequence[str]) -> dict[str, Balance]:
    """`balance` of each of these accounts."""
    names = [name(account_id) for account_id in account_ids for name in (available, held)]
    rows = connection.execute(select(balances).where(balances.c.ledger_account.in_(names)))
    amounts = {row.ledger_account: row.amount_micro for row in rows}
    return {one: Balance(amounts.get(available(one), 0), amounts.get(held(one), 0)) for one in account_ids}


def totals(connection: Connection) -> dict[str, int]:
    """All accounts together, in micro-credits: what can be spent, what is held, what was ever granted and earned."""
    all_of = func.coalesce(func.sum(balances.c.amount_micro), 0)
    kinds = {"available": "account:%:available", "held": "account:%:held", "granted": ISSUED, "earned": EARNED}
    sums = [select(all_of).where(balances.c.ledger_account.like(like)).scalar_subquery() for like in kinds.values()]
    found = dict(zip(kinds, map(int, connection.execute(select(*sums)).one()), strict=True))
    return found | {"granted": -found["granted"]}


def grant(connection: Connection, account_id: str, amount_micro: int, now: datetime, reference: str | None) -> None:
    """Credits that an account gets, bought or given; IntegrityError where `reference` was granted before."""
    _transfer(connection, "grant", ISSUED, available(account_id), amount_micro, now, reference=reference)


def hold(connection: Connection, account_id: str, job_id: str, amount_micro: int, now: datetime) -> int:
    """Set a job's price aside and return what is left to spend; raises `InsufficientCredits`."""
    if amount_micro < 0:
        raise ValueError(f"a hold cannot be negative: {amount_micro}")
    source, target = available(account_id), held(account_id)
    moved = {"source": source, "target": target, "moved_micro": amount_micro}
    after: dict[str, int] = {row.ledger_account: row.amount_micro for row in connection.execute(_SET_ASIDE, moved)}
    if source not in after:
        had = balance(connection, account_id).available_micro
        if had < amount_micro:
            raise InsufficientCredits(required_micro=amount_micro, available_micro=had)
        _add(connection, source, 0)  # a free job of an account without any entry
    if target not in after:
        _add(connection, target, amount_micro)  # its first hold
    _record(connection, "hold", source, target, amount_micro, now, job_id=job_id)
    return after.get(source, 0)


def capture(connection: Connection, account_id: str, job_id: str, amount_micro: int, now: datetime) -> None:
    """Charge a part of a job's hold, or all of it."""
    _transfer(connection, "capture", held(account_id), EARNED, amount_micro, now, job_id=job_id)


def release(connection: Connection, account_id: str, job_id: str, amount_micro: int, now: datetime) -> None:
    """Give a part of a job's hold back, or all of it."""
    _transfer(connection, "release", held(account_id), available(account_id), amount_micro, now, job_id=job_id)


def entries(connection: Connection, account_id: str, limit: int, before_id: int | None = None) -> list[Entry]:
    """What moved an account's spendable or charged credits, newest first."""
    # Two reads, each in the order of the index: one with OR would sort all that the account ever did.
    spendable = select(ledger_entries).where(ledger_entries.c.ledger_account == available(account_id))
    charged = select(ledger_entries).where(
        ledger_entries.c.ledger_account == held(account_id), ledger_entries.c.kind == "capture"
    )
    found = []
    for newest in (spendable, charged):
        older = newest if before_id is None else newest.where(ledger_entries.c.id < before_id)
        for row in connection.execute(older.order_by(ledger_entries.c.id.desc()).limit(limit)):
            found.append(_entry(row))
    return sorted(found, key=lambda entry: entry.id, reverse=True)[:limit]


def of_job(connection: Connection, account_id: str, job_id: str) -> list[Entry]:
    """What a job set aside, charged and gave back, in order, as `entries` has it."""
    mine = (ledger_entries.c.ledger_account == available(account_id)) | (
        (ledger_entries.c.ledger_account == held(account_id)) & (ledger_entries.c.kind == "capture")
    )
    lines = select(ledger_entries).where(ledger_entries.c.job_id == job_id, mine).order_by(ledger_entries.c.id)
    return [_entry(row) for row in connection.execute(lines)]


def _entry(row: Row[Any]) -> Entry:
    return Entry(row.id, row.kind, row.amount_micro, row.job_id, row.reference, row.created_at)


def _transfer(
    connection: Connection,
    kind: str,
    source: str,
    target: str,
    amount_micro: int,
    now: datetime,
    *,
    job_id: str | None = None,
    reference: str | None = None,
) -> None:
    if amount_micro < 0:
        raise ValueError(f"a {kind} cannot be negative: {amount_micro}")
    _record(connection, kind, source, target, amount_micro, now, job_id=job_id, reference=reference)
    # The house's own balances last: every account's transactions meet there, in this order.
    changes = ((source, -amount_micro), (target, amount_micro))
    for ledger_account, amount in sorted(changes, key=lambda change: change[0] in (ISSUED, EARNED)):
        _add(connection, ledger_account, amount)


def _record(
    connection: Connection,
    kind: str,
    source: str,
    target: str,
    amount_micro: int,
    now: datetime,
    *,
    job_id: str | None = None,
    reference: str | None = None,
) -> None:
    both = {"transfer": new_id(), "of_kind": kind, "of_job": job_id, "referred": reference, "at": now}
    amounts = {"source": source, "target": target, "taken_micro": -amount_micro, "given_micro": amount_micro}
    connection.execute(_BOTH_ENTRIES, both | amounts)


def _add(connection: Connection, ledger_account: str, amount_micro: int) -> None:
    if connection.execute(_ADD, {"added_to": ledger_account, "added_micro": amount_micro}).rowcount == 0:
        # An upsert, since a house balance may get its first entry twice at the same moment.
        connection.execute(_OPEN, {"ledger_account": ledger_account, "amount_micro": amount_micro})

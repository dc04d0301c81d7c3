"""Usage: per day, key and model, how much was asked, refused, made and charged; a rollup kept by the verbs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime

from sqlalchemy import BigInteger, Column, Connection, Float, ForeignKey, Integer, String, Table, cast, func, select
from sqlalchemy.dialects.postgresql import insert  # SQLite compiles its ON CONFLICT as well

from fluxhouse.database.schema import metadata

_COUNTED = ("submitted", "refused", "succeeded", "failed", "cancelled", "images", "captured_micro", "inference_seconds")
_TYPES = {"inference_seconds": Float}  # of sums; the others are whole numbers, which PostgreSQL would make decimals

usage_days = Table(
    "usage_days",
    metadata,
    Column("account_id", String(32), ForeignKey("accounts.id"), primary_key=True),
    Column("day", String(10), primary_key=True),
    Column("key_id", String(8), primary_key=True),
    Column("model", String(60), primary_key=True),
    Column("submitted", Integer, nullable=False),
    Column("refused", Integer, nullable=False),
    Column("succeeded", Integer, nullable=False),
    Column("failed", Integer, nullable=False),
    Column("cancelled", Integer, nullable=False),
    Column("images", Integer, nullable=False),
    Column("captured_micro", BigInteger, nullable=False),
    Column("inference_seconds", Float, nullable=False),
)

_FIRST = insert(usage_days)
_COUNT = _FIRST.on_conflict_do_update(
    index_elements=usage_days.primary_key.columns,
    set_={name: usage_days.c[name] + _FIRST.excluded[name] for name in _COUNTED},
)


@dataclass(frozen=True, slots=True)
class Slot:
    """Where usage is counted: an account's key and model."""

    account_id: str
    key_id: str
    model: str


@dataclass(frozen=True, slots=True)
class UsageDay:
    """What one key did with one model on one day (UTC)."""

    day: str
    key_id: str
    model: str
    submitted: int
    refused: int
    succeeded: int
    failed: int
    cancelled: int
    images: int
    captured_micro: int
    inference_seconds: float


def count(connection: Connection, slot: Slot, now: datetime, amounts: Mapping[str, int | float]) -> None:
    """Add amounts to the counters of today, by their column names."""
    where = {"account_id": slot.account_id, "day": now.date().isoformat(), "key_id": slot.key_id, "model": slot.model}
    connection.execute(_COUNT, dict.fromkeys(_COUNTED, 0) | where | dict(amounts))


def between(connection: Connection, account_id: str, first: date, last: date) -> list[UsageDay]:
    """An account's usage from the first day to the last, both included, newest day first."""
    mine = select(usage_days).where(
        usage_days.c.account_id == account_id,
        usage_days.c.day >= first.isoformat(),
        usage_days.c.day <= last.isoformat(),
    )
    ordered = mine.order_by(usage_days.c.day.desc(), usage_days.c.model, usage_days.c.key_id)
    return [
        UsageDay(row.day, row.key_id, row.model, *(getattr(row, name) for name in _COUNTED))
        for row in connection.execute(ordered)
    ]


def totals(connection: Connection) -> dict[str, int | float]:
    """The sum of every counter over all accounts and days."""
    sums = {name: func.coalesce(func.sum(usage_days.c[name]), 0) for name in _COUNTED}
    summed = select(*(cast(total, _TYPES.get(name, BigInteger)).label(name) for name, total in sums.items()))
    return dict(connection.execute(summed).one()._mapping)

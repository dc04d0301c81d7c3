"""Accounts: who owns keys, credits and jobs."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import (
    CheckConstraint,
    Column,
    Connection,
    Integer,
    Row,
    String,
    Table,
    bindparam,
    insert,
    select,
    update,
)

from fluxhouse.core.ids import new_id
from fluxhouse.database.schema import Instant, metadata

accounts = Table(
    "accounts",
    metadata,
    Column("id", String(32), primary_key=True),
    Column("name", String(100), nullable=False, unique=True),
    Column("suspended", Integer, nullable=False),
    Column("weight", Integer, nullable=False),
    Column("created_at", Instant, nullable=False),
    CheckConstraint("weight > 0", name="weight_positive"),
)

_LOCK = select(accounts.c.id).where(accounts.c.id == bindparam("locked")).with_for_update(key_share=True)


@dataclass(frozen=True, slots=True)
class Account:
    """`weight` is the account's share when several wait: 2 gets twice as much as 1."""

    id: str
    name: str
    suspended: bool
    weight: int
    created_at: datetime


def create(connection: Connection, name: str, now: datetime) -> Account:
    """A new account; ValueError where the name is empty or taken."""
    name = name.strip()
    if not 0 < len(name) <= 100:
        raise ValueError("an account's name has 1 to 100 characters")
    if by_name(connection, name) is not None:
        raise ValueError(f"there is an account {name!r} already")
    account = Account(new_id(), name, suspended=False, weight=1, created_at=now)
    connection.execute(
        insert(accounts).values(id=account.id, name=name, suspended=0, weight=account.weight, created_at=now)
    )
    return account


def by_name(connection: Connection, name: str) -> Account | None:
    """The account of that name, if there is one."""
    row = connection.execute(select(accounts).where(accounts.c.name == name)).one_or_none()
    return None if row is None else from_row(row)


def get(connection: Connection, account_id: str) -> Account:
    """The account with that id, which must exist."""
    return from_row(connection.execute(select(accounts).where(accounts.c.id == account_id)).one())


def find(connection: Connection, account_id: str) -> Account | None:
    """The account with that id, if there is one."""
    row = connection.execute(select(accounts).where(accounts.c.id == account_id)).one_or_none()
    return None if row is None else from_row(row)


def lock(connection: Connection, account_id: str) -> None:
    """Let no other transaction of this account come between: the first step of every verb that moves its credits.

    Later rows are locked in the order job, key, balances, usage, and last what all accounts share.
    """
    if connection.dialect.name != "sqlite":  # where transactions are serial anyway
        connection.execute(_LOCK, {"locked": account_id})


def everyone(connection: Connection) -> list[Account]:
    """All accounts by name."""
    return [from_row(row) for row in connection.execute(select(accounts).order_by(accounts.c.name))]


def found(connection: Connection, text: str, limit: int) -> list[Account]:
    """Accounts whose name has the text in it, by name."""
    query = select(accounts).where(accounts.c.name.icontains(text, autoescape=True)) if text else select(accounts)
    return [from_row(row) for row in connection.execute(query.order_by(accounts.c.name).limit(limit))]


def suspend(connection: Connection, account_id: str, suspended: bool) -> None:
    """Suspend an account, or lift that: its keys stop working, its jobs run on."""
    connection.execute(update(accounts).where(accounts.c.id == account_id).values(suspended=int(suspended)))


def weigh(connection: Connection, account_id: str, weight: int) -> None:
    """Set an account's share for the jobs it submits from now on; ValueError unless it is at least 1."""
    if weight < 1:
        raise ValueError(f"a weight is a whole number from 1 on, not {weight}")
    connection.execute(update(accounts).where(accounts.c.id == account_id).values(weight=weight))


def from_row(row: Row[tuple[str, str, int, int, datetime]]) -> Account:
    """An account from a row that has its columns under their own names."""
    return Account(row.id, row.name, bool(row.suspended), row.weight, row.created_at)

"""Idempotency keys: which submit a repeated one repeats, bound to account, route and body, for 24 hours."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import BigInteger, Column, Connection, ForeignKey, Index, String, Table, delete, insert, select

from fluxhouse.database.schema import Instant, metadata
from fluxhouse.generation.errors import IdempotencyMismatch

KEPT = timedelta(hours=24)
MAX_LENGTH = 255

idempotency_keys = Table(
    "idempotency_keys",
    metadata,
    Column("account_id", String(32), ForeignKey("accounts.id"), primary_key=True),
    Column("key", String(MAX_LENGTH), primary_key=True),
    Column("route", String(200), nullable=False),
    Column("body_hash", String(64), nullable=False),
    Column("job_id", String(32), ForeignKey("jobs.id"), nullable=False),
    Column("available_micro", BigInteger, nullable=False),
    Column("created_at", Instant, nullable=False),
    Index("ix_idempotency_keys_created_at", "created_at"),
)


@dataclass(frozen=True, slots=True)
class IdempotencyKey:
    """What a caller sent: the key, the route it was sent to and the SHA-256 of the body."""

    key: str
    route: str
    body_hash: str


@dataclass(frozen=True, slots=True)
class FirstAnswer:
    """What the first submit with that key was answered: its job, and the credits that were left then."""

    job_id: str
    available_micro: int


def is_kept(connection: Connection, account_id: str, key: str, now: datetime) -> bool:
    """Whether a submit with that key is remembered, whatever it asked for."""
    mine = (idempotency_keys.c.account_id == account_id) & (idempotency_keys.c.key == key)
    created_at = connection.execute(select(idempotency_keys.c.created_at).where(mine)).scalar_one_or_none()
    return created_at is not None and created_at > now - KEPT


def recall(connection: Connection, account_id: str, sent: IdempotencyKey, now: datetime) -> FirstAnswer | None:
    """The first answer to the same submit, None where it is new; raises `IdempotencyMismatch` where it differs."""
    mine = (idempotency_keys.c.account_id == account_id) & (idempotency_keys.c.key == sent.key)
    row = connection.execute(select(idempotency_keys).where(mine)).one_or_none()
    if row is None:
        return None
    if row.created_at <= now - KEPT:
        connection.execute(delete(idempotency_keys).where(mine))
        return None
    if (row.route, row.body_hash) != (sent.route, sent.body_hash):
        raise IdempotencyMismatch
    return FirstAnswer(row.job_id, row.available_micro)


def remember(connection: Connection, account_id: str, sent: IdempotencyKey, answer: FirstAnswer, now: datetime) -> None:
    """Keep the first answer, in the transaction that makes it true."""
    connection.execute(
        insert(idempotency_keys).values(
            account_id=account_id,
            key=sent.key,
            route=sent.route,
            body_hash=sent.body_hash,
            job_id=answer.job_id,
            available_micro=answer.available_micro,
            created_at=now,
        )
    )


def purge(connection: Connection, now: datetime) -> int:
    """Forget the keys whose time is over; how many there were."""
    return connection.execute(delete(idempotency_keys).where(idempotency_keys.c.created_at <= now - KEPT)).rowcount

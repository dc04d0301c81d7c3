"""Webhook secrets: what an account's webhooks are signed with, two of them valid for a day after each rotation."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Column, Connection, ForeignKey, Integer, Row, String, Table, delete, insert, select, update

from fluxhouse.core.accounts import Account, lock
from fluxhouse.core.accounts import accounts as account_table
from fluxhouse.database.schema import Instant, metadata

OVERLAP = timedelta(hours=24)
_LABEL = "webhook secret 1"  # keeps what the pepper does here apart from what it does for API keys
_FIRST_SALT = ""

webhook_secrets = Table(
    "webhook_secrets",
    metadata,
    Column("account_id", String(32), ForeignKey("accounts.id"), primary_key=True),
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("salt", String(32), nullable=False),
    Column("created_at", Instant, nullable=False),
    Column("expires_at", Instant),
)


@dataclass(frozen=True, slots=True)
class WebhookSecret:
    """32 bytes that sign; `expires_at` is None for the newest one."""

    secret: bytes
    created_at: datetime
    expires_at: datetime | None


def valid(connection: Connection, account_id: str, pepper: bytes, now: datetime) -> list[WebhookSecret]:
    """What signs the account's webhooks now, newest first: one secret, or two within a day of a rotation.

    No secret is stored: each is derived from the installation's `pepper` and a salt, so that a copy of the database
    alone signs nothing. An account that never rotated has no row: its first secret is as old as the account.
    """
    mine = select(webhook_secrets).where(webhook_secrets.c.account_id == account_id)
    rows = connection.execute(mine.order_by(webhook_secrets.c.number.desc())).all()
    if not rows:
        created = select(account_table.c.created_at).where(account_table.c.id == account_id)
        first = _derived(pepper, account_id, _FIRST_SALT)
        return [WebhookSecret(first, connection.execute(created).scalar_one(), None)]
    return [_from_row(row, pepper) for row in rows if row.expires_at is None or row.expires_at > now]


def rotate(connection: Connection, account: Account, pepper: bytes, now: datetime) -> Sequence[WebhookSecret]:
    """Make a new secret; the newest one until now stays valid for a day beside it, any older one ends at once."""
    lock(connection, account.id)  # two rotations at the same moment would number alike
    mine = webhook_secrets.c.account_id == account.id
    newest = connection.execute(
        select(webhook_secrets.c.number).where(mine).order_by(webhook_secrets.c.number.desc()).limit(1)
    ).scalar()
    if newest is None:
        newest = 1
        _add(connection, account.id, newest, _FIRST_SALT, account.created_at)
    connection.execute(delete(webhook_secrets).where(mine, webhook_secrets.c.number < newest))
    connection.execute(update(webhook_secrets).where(mine).values(expires_at=now + OVERLAP))
    _add(connection, account.id, newest + 1, secrets.token_hex(16), now)
    return valid(connection, account.id, pepper, now)


def _add(connection: Connection, account_id: str, number: int, salt: str, created_at: datetime) -> None:
    row = {"account_id": account_id, "number": number, "salt": salt, "created_at": created_at}
    connection.execute(insert(webhook_secrets).values(row))


def _from_row(row: Row[Any], pepper: bytes) -> WebhookSecret:
    return WebhookSecret(_derived(pepper, row.account_id, row.salt), row.created_at, row.expires_at)


def _derived(pepper: bytes, account_id: str, salt: str) -> bytes:
    return hmac.digest(pepper, f"{_LABEL}:{account_id}:{salt}".encode(), hashlib.sha256)

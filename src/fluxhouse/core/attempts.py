"""Attempts at something guessable, such as a password or a voucher: counted by who tries, refused when too many."""

from __future__ import annotations

import hashlib
import math
from datetime import datetime, timedelta

from sqlalchemy import Column, Connection, Index, Integer, String, Table, delete

from fluxhouse.core.windows import counting
from fluxhouse.database.schema import Instant, metadata
from fluxhouse.generation.errors import RateLimited

WINDOW = timedelta(minutes=15)

attempts = Table(
    "attempts",
    metadata,
    Column("subject", String(64), primary_key=True),
    Column("started_at", Instant, nullable=False),
    Column("tries", Integer, nullable=False),
    Index("ix_attempts_started_at", "started_at"),
)

_COUNT = counting(attempts, attempts.c.tries)


def count(connection: Connection, kind: str, who: str, most: int, now: datetime) -> None:
    """Count one attempt of `kind` by `who`; raises `RateLimited` where it is more than `most` within the window.

    To be counted in a transaction of its own before the attempt, so that what the attempt rolls back stays counted.
    """
    subject = hashlib.sha256(f"{kind}:{who}".encode()).hexdigest()
    row = connection.execute(_COUNT, {"subject": subject, "now": now, "ended": now - WINDOW}).one()
    if row.tries > most:
        left = (row.started_at + WINDOW - now).total_seconds()
        raise RateLimited("too many attempts; wait a few minutes", retry_after_seconds=max(1, math.ceil(left)))


def clear(connection: Connection, kind: str, who: str) -> None:
    """Forget the attempts of somebody who succeeded."""
    subject = hashlib.sha256(f"{kind}:{who}".encode()).hexdigest()
    connection.execute(delete(attempts).where(attempts.c.subject == subject))


def purge(connection: Connection, now: datetime) -> None:
    """Forget windows that have ended."""
    connection.execute(delete(attempts).where(attempts.c.started_at <= now - WINDOW))

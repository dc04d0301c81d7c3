"""Rate limits: how many submits a key may make within each minute, counted from its first one."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Column, Connection, ForeignKey, Integer, String, Table, insert, select, update

from fluxhouse.core.keys import Key
from fluxhouse.database.schema import Instant, metadata

WINDOW = timedelta(minutes=1)

rate_windows = Table(
    "rate_windows",
    metadata,
    Column("key_id", String(8), ForeignKey("keys.id"), primary_key=True),
    Column("started_at", Instant, nullable=False),
    Column("submits", Integer, nullable=False),
)


@dataclass(frozen=True, slots=True)
class Window:
    """A key's present minute: `exceeded` says that this submit is one too many."""

    limit: int
    remaining: int
    resets_at: datetime
    exceeded: bool

    def seconds_left(self, now: datetime) -> int:
        """Whole seconds until the next window, at least one."""
        return max(1, math.ceil((self.resets_at - now).total_seconds()))


def count(connection: Connection, key: Key, now: datetime) -> Window:
    """Count one submit of this key; a submit over the limit is not counted further."""
    row = connection.execute(select(rate_windows).where(rate_windows.c.key_id == key.id)).one_or_none()
    if row is None:
        connection.execute(insert(rate_windows).values(key_id=key.id, started_at=now, submits=0))
    started_at, submits = (now, 0) if row is None else (row.started_at, row.submits)
    if not started_at <= now < started_at + WINDOW:
        started_at, submits = now, 0
    resets_at = started_at + WINDOW
    if submits >= key.rate_per_minute:
        return Window(key.rate_per_minute, 0, resets_at, exceeded=True)
    counted = update(rate_windows).where(rate_windows.c.key_id == key.id)
    connection.execute(counted.values(started_at=started_at, submits=submits + 1))
    return Window(key.rate_per_minute, key.rate_per_minute - submits - 1, resets_at, exceeded=False)

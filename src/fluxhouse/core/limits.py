"""Rate limits: how many submits a key may make within each minute, counted from its first one."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Column, Connection, ForeignKey, Integer, String, Table, bindparam, select

from fluxhouse.core.keys import Key
from fluxhouse.core.windows import counting
from fluxhouse.database.schema import Instant, metadata

WINDOW = timedelta(minutes=1)

rate_windows = Table(
    "rate_windows",
    metadata,
    Column("key_id", String(8), ForeignKey("keys.id"), primary_key=True),
    Column("started_at", Instant, nullable=False),
    Column("submits", Integer, nullable=False),
)

_COUNT = counting(rate_windows, rate_windows.c.submits)
_LOOK = select(rate_windows).where(rate_windows.c.key_id == bindparam("key_id"))


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


def look(connection: Connection, key: Key, now: datetime) -> Window:
    """How the key's present minute stands, without counting anything; `exceeded` says that the next is one too many."""
    row = connection.execute(_LOOK, {"key_id": key.id}).one_or_none()
    in_force = row is not None and row.started_at <= now < row.started_at + WINDOW
    started_at, submits = (row.started_at, row.submits) if row is not None and in_force else (now, 0)
    remaining = max(0, key.rate_per_minute - submits)
    return Window(key.rate_per_minute, remaining, started_at + WINDOW, exceeded=remaining == 0)


def count(connection: Connection, key: Key, now: datetime) -> Window:
    """Count one submit of this key, in a new window where its last one has ended or the clock was set back."""
    row = connection.execute(_COUNT, {"key_id": key.id, "now": now, "ended": now - WINDOW}).one()
    left = key.rate_per_minute - row.submits
    return Window(key.rate_per_minute, max(0, left), row.started_at + WINDOW, exceeded=left < 0)

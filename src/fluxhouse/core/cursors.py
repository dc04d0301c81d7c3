"""Where a page of a listing begins: the entry before it, as one opaque text and as a condition on rows."""

from __future__ import annotations

import base64
from datetime import UTC, datetime, timedelta

from sqlalchemy import ColumnElement, Table

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_LONGEST_MOMENT = 18  # digits


def cursor_of(created_at: datetime, last_id: str) -> str:
    """An opaque text that says after which entry a page begins."""
    place = f"{(created_at - _EPOCH) // _MICROSECOND}:{last_id}"
    return base64.urlsafe_b64encode(place.encode()).rstrip(b"=").decode()


def place_of(cursor: str) -> tuple[datetime, str]:
    """The `(created_at, id)` that `cursor_of` wrote; raises ValueError for any other text."""
    padded = cursor.encode() + b"=" * (-len(cursor) % 4)
    microseconds, _, last_id = base64.b64decode(padded, altchars=b"-_", validate=True).decode().partition(":")
    if len(microseconds) > _LONGEST_MOMENT or not (last_id.isascii() and last_id.isalnum()):
        raise ValueError(cursor)
    try:
        return _EPOCH + int(microseconds) * _MICROSECOND, last_id
    except OverflowError:
        raise ValueError(cursor) from None


def beyond(listed: Table, place: tuple[datetime, str]) -> ColumnElement[bool]:
    """Rows of a table with `created_at` and `id` that come after that place where the newest come first."""
    created_at, last_id = place
    # The first condition alone lets an index on the time lead there.
    return (listed.c.created_at <= created_at) & ((listed.c.created_at < created_at) | (listed.c.id < last_id))

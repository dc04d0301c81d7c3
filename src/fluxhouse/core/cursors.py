"""Where a page of a listing begins: the entry before it, as one opaque text."""

from __future__ import annotations

import base64
from datetime import UTC, datetime, timedelta

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

"""What a native request says beside its body: its key, its preferences, its query parameters."""

from __future__ import annotations

import base64
import binascii
from datetime import UTC, date, datetime, timedelta

from starlette.requests import Request

from fluxhouse.dialects.waiting import MAX_SECONDS
from fluxhouse.dialects.wire import key_in
from fluxhouse.generation.errors import InvalidParameter

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


def bearer(request: Request) -> str | None:
    """The key text of `Authorization: Bearer <key>`, None where there is none."""
    return key_in(request, "bearer")


def wait_seconds(request: Request) -> float:
    """How long `Prefer: wait` or `wait=N` asks to wait, at most a minute; 0 for not at all.

    By RFC 7240 what cannot be understood is passed over.
    """
    for preferences in request.headers.getlist("prefer"):
        for preference in preferences.split(","):
            name, _, value = preference.partition(";")[0].partition("=")
            if name.strip().lower() == "wait":
                value = value.strip().strip('"')
                if not value:
                    return MAX_SECONDS
                if value.isascii() and value.isdigit() and len(value) < 10:
                    return min(float(value), MAX_SECONDS)
    return 0.0


def number_in(request: Request, name: str, default: int, low: int, high: int) -> int:
    """An integer query parameter; raises `InvalidParameter`."""
    text = request.query_params.get(name)
    if text is None:
        return default
    if not (text.isascii() and text.isdigit() and len(text) < 10 and low <= int(text) <= high):
        raise InvalidParameter(f"`{name}` must be an integer from {low} to {high}", field=name)
    return int(text)


def day_in(request: Request, name: str, default: date) -> date:
    """A query parameter that is a day such as 2025-01-23; raises `InvalidParameter`."""
    text = request.query_params.get(name)
    if text is None:
        return default
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise InvalidParameter(f"`{name}` must be a day such as 2025-01-23", field=name) from None


def cursor_of(created_at: datetime, job_id: str) -> str:
    """An opaque text that says after which job a page begins."""
    place = f"{(created_at - _EPOCH) // _MICROSECOND}:{job_id}"
    return base64.urlsafe_b64encode(place.encode()).rstrip(b"=").decode()


def cursor_in(request: Request) -> tuple[datetime, str] | None:
    """What `cursor_of` wrote; raises `InvalidParameter`."""
    text = request.query_params.get("cursor")
    if text is None:
        return None
    try:
        place = base64.b64decode(text.encode() + b"=" * (-len(text) % 4), altchars=b"-_", validate=True).decode()
        microseconds, _, job_id = place.partition(":")
        if len(microseconds) > 18 or not job_id:
            raise ValueError(place)
        return _EPOCH + int(microseconds) * _MICROSECOND, job_id
    except (ValueError, OverflowError, binascii.Error):
        raise InvalidParameter("`cursor` must be the `nextCursor` of an earlier page", field="cursor") from None

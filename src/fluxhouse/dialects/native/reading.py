"""What a native request says beside its body: its key and its query parameters."""

from __future__ import annotations

from datetime import date

from starlette.requests import Request

from fluxhouse.dialects.wire import key_in
from fluxhouse.generation.errors import InvalidParameter


def bearer(request: Request) -> str | None:
    """The key text of `Authorization: Bearer <key>`, None where there is none."""
    return key_in(request, "bearer")


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

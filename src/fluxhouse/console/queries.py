"""What addresses of pages ask for: numbers and days as somebody may have typed them."""

from __future__ import annotations

from datetime import date

from starlette.datastructures import QueryParams

from fluxhouse.generation.errors import InvalidParameter

_LARGEST_ID = 2**63 - 1
_FIRST_YEAR, _LAST_YEAR = 1970, 9998  # between them a day can be counted from and to


def number_in(query: QueryParams, name: str) -> int | None:
    """A positive whole number; None where there is none, or nonsense."""
    text = query.get(name, "")
    return int(text) if text.isascii() and text.isdigit() and len(text) < 20 and 0 < int(text) <= _LARGEST_ID else None


def day_of(text: str, field: str) -> date:
    """The day that was typed into `field`; raises `InvalidParameter`."""
    try:
        day = date.fromisoformat(text)
    except ValueError:
        day = date.max
    if not _FIRST_YEAR <= day.year <= _LAST_YEAR:
        raise InvalidParameter(f"`{field}` must be a day such as 2026-01-31", field=field)
    return day

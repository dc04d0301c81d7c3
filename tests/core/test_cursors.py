"""Cursors: what was written is read again, and nothing else is."""

import base64
from datetime import UTC, datetime

import pytest

from fluxhouse.core.cursors import cursor_of, place_of

PLACE = (datetime(2026, 3, 1, 12, 0, 0, 123456, tzinfo=UTC), "0f" * 16)


def test_a_place_survives():
    """To the microsecond, in letters that an address may hold."""
    cursor = cursor_of(*PLACE)
    assert place_of(cursor) == PLACE
    assert cursor.replace("-", "").replace("_", "").isalnum()


@pytest.mark.parametrize("place", ["", "x:ab", "1:", "1:a-b", "1:\u00e9", "9" * 18 + ":ab", "9" * 19 + ":ab"])
def test_any_other_text_is_refused(place):
    """Also one that would be a moment after all calendars."""
    with pytest.raises(ValueError):  # noqa: PT011 - its words are the text itself
        place_of(base64.urlsafe_b64encode(place.encode()).decode())
    for text in ("\ud800", "not base64!", "a"):
        with pytest.raises(ValueError):  # noqa: PT011
            place_of(text)

"""Attempts: counted by kind and by who tries, refused when too many within a window, forgotten on success."""

import pytest

from fluxhouse.core import attempts
from fluxhouse.generation.errors import RateLimited


def attempt(house, who="ada", kind="sign-in", most=3):
    house.do(attempts.count, kind, who, most, house.now())


def test_one_too_many_is_refused_until_the_window_ends(house):
    """The fourth of three waits for the window to end and says how long."""
    for _ in range(3):
        attempt(house)
    house.clock.advance(minutes=5)
    with pytest.raises(RateLimited) as refused:
        attempt(house)
    assert refused.value.retry_after_seconds == 600
    house.clock.advance(minutes=10)
    attempt(house)


def test_others_and_other_kinds_are_counted_apart(house):
    """Another subject or kind starts at nought."""
    for _ in range(3):
        attempt(house)
    attempt(house, who="bob")
    attempt(house, kind="voucher")


def test_success_forgets_and_a_purge_forgets_what_ended(house):
    """A success clears its own count, and a purge what ended."""
    for _ in range(3):
        attempt(house)
    house.do(attempts.clear, "sign-in", "ada")
    attempt(house)
    house.clock.advance(minutes=16)
    house.do(attempts.purge, house.now())
    with house.database.snapshot() as connection:
        assert connection.execute(attempts.attempts.select()).all() == []

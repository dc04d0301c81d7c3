"""Rate windows: a minute from the first submit, to the microsecond."""

from datetime import timedelta

import pytest

from fluxhouse.core import limits
from fluxhouse.core.keys import Limits


@pytest.fixture
def key(house):
    return house.caller(limits=Limits(rate_per_minute=3)).key


def count(house, key):
    return house.do(limits.count, key, house.now())


def test_the_limit_is_the_last_that_passes(house, key):
    """Three pass, with two, one and none left; the fourth is one too many and nothing more."""
    seen = [(window.remaining, window.exceeded) for window in (count(house, key) for _ in range(5))]
    assert seen == [(2, False), (1, False), (0, False), (0, True), (0, True)]


def test_a_window_ends_after_a_minute(house, key):
    """Refused a microsecond before, counted anew from the minute on; refusals do not prolong it."""
    began = house.now()
    for _ in range(4):
        assert count(house, key).resets_at == began + limits.WINDOW
    house.clock.advance(seconds=60, microseconds=-1)
    assert count(house, key).exceeded
    house.clock.advance(microseconds=1)
    fresh = count(house, key)
    assert (fresh.remaining, fresh.resets_at) == (2, house.now() + limits.WINDOW)


def test_a_clock_set_back_does_not_lock_anybody_out(house, key):
    """A window that would begin in the future is replaced by one from now."""
    for _ in range(4):
        count(house, key)
    house.clock.advance(hours=-5)
    assert count(house, key).remaining == 2


@pytest.mark.parametrize(("passed", "left"), [(0, 60), (0.4, 60), (59, 1), (59.9, 1)])
def test_the_wait_is_in_whole_seconds(house, key, passed, left):
    """Rounded up, and never zero."""
    window = count(house, key)
    assert window.seconds_left(house.now() + timedelta(seconds=passed)) == left


def test_each_key_has_its_own_window(house, key):
    """One key's submits say nothing about another's; a rate of zero lets none through."""
    count(house, key)
    assert count(house, house.caller("ben", limits=Limits(rate_per_minute=3)).key).remaining == 2
    assert count(house, house.caller("eve", limits=Limits(rate_per_minute=0)).key).exceeded

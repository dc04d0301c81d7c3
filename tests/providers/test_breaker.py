"""The breaker: closed until too much went wrong in a row, half open after its time."""

import pytest

from fluxhouse.generation.errors import ProviderUnavailable
from fluxhouse.providers.breaker import Breaker


@pytest.fixture
def now():
    return [0.0]


@pytest.fixture
def breaker(now):
    return Breaker("fal", failures=2, seconds=30.0, clock=lambda: now[0])


def test_a_success_forgets_what_went_wrong(breaker):
    """Only failures in a row open it."""
    for outcome in (breaker.failed, breaker.succeeded, breaker.failed):
        breaker.enter()
        outcome()
    breaker.enter()
    assert not breaker.is_open


def test_one_goes_ahead_when_the_time_is_over(breaker, now):
    """The others are kept out until its luck is known; a failure shuts it for as long again."""
    breaker.failed()
    breaker.failed()
    with pytest.raises(ProviderUnavailable):
        breaker.enter()
    now[0] = 30.0
    breaker.enter()
    with pytest.raises(ProviderUnavailable):
        breaker.enter()
    breaker.failed()
    now[0] = 59.0
    with pytest.raises(ProviderUnavailable):
        breaker.enter()
    now[0] = 60.0
    breaker.enter()
    breaker.succeeded()
    breaker.enter()

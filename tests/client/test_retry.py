"""How often, how long, and when no more."""

from __future__ import annotations

import pytest

from fluxhouse.client.errors import ConnectionFailed, RateLimited, ServerError
from fluxhouse.client.retry import Attempts, Deadline, Retry


def test_pauses_double_up_to_the_longest_and_are_spread():
    """Each between half of it and the whole."""
    retry = Retry(first_seconds=1.0, longest_seconds=8.0)
    for failures, whole in enumerate((1, 2, 4, 8, 8, 8), 1):
        pauses = [retry.pause(failures) for _ in range(200)]
        assert whole / 2 <= min(pauses) < 0.6 * whole
        assert 0.9 * whole < max(pauses) <= whole
    assert retry.pause(10_000) <= 8


def test_attempts_come_to_an_end():
    """As many as allowed, the first included."""
    attempts = Attempts(Retry(attempts=3), Deadline(None))
    failure = ConnectionFailed("no")
    pauses = [attempts.pause(failure) for _ in range(3)]
    assert [pause is None for pause in pauses] == [False, False, True]


@pytest.mark.parametrize(("total", "patience"), [(5.0, None), (100.0, 5.0)])
def test_no_pause_is_longer_than_what_is_left(total, patience):
    """Neither than the budget nor than the caller's patience."""
    limited = RateLimited("rate_limited", "Slowly.", 429)
    limited.retry_after = 6.0
    assert Attempts(Retry(total_seconds=total), Deadline(patience)).pause(limited) is None
    limited.retry_after = 4.0
    assert Attempts(Retry(total_seconds=total), Deadline(patience)).pause(limited) == 4.0


def test_only_what_passes_is_tried_again():
    """A fault of the server's own is not."""
    attempts = Attempts(Retry(), Deadline(None))
    assert attempts.pause(ServerError("server_error", "No.", 500)) is None
    assert attempts.pause(ServerError("http_503", "Later.", 503)) is not None


def test_a_deadline_is_a_moment_or_never():
    """What is left of it is never below nothing."""
    never, now = Deadline(None), Deadline(0)
    assert (never.passed, never.bounded, never.at_most(3)) == (False, False, 3)
    assert (now.passed, now.bounded, now.at_most(3)) == (True, True, 0)
    assert Deadline(100).at_most(3) == 3

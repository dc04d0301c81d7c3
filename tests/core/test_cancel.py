"""Cancel: at once and free while a job waits, a request while it runs, too late afterwards."""

import pytest

from fluxhouse.core.cancel import cancel
from fluxhouse.generation.errors import JobAlreadyEnded


def test_a_waiting_job_ends_at_once_and_free(house, ada):
    """It is never claimed, and its hold is given back."""
    ended = house.do(cancel, house.job(ada), house.now())
    assert (ended.state, ended.captured_micro) == ("cancelled", 0)
    assert house.balance(ada) == (100_000_000, 0)
    assert house.claim() == []
    assert house.drift() == []


def test_a_running_job_is_asked_to_stop(house, ada):
    """The first request's time is kept; the worker ends it."""
    job = house.running(ada)
    first = house.do(cancel, job, house.now())
    again = house.do(cancel, job, house.clock.advance(seconds=1))
    assert (first.state, again) == ("running", first)
    assert first.cancel_requested_at is not None


def test_what_was_seen_waiting_may_run_by_now(house, ada):
    """A cancel looks at the row, not at what its caller read before."""
    seen = house.job(ada)
    house.claim()
    assert house.do(cancel, seen, house.now()).state == "running"


def test_an_ended_job_cannot_be_cancelled(house, ada):
    """The refusal says in which state it ended."""
    job = house.running(ada)
    house.succeed(job)
    with pytest.raises(JobAlreadyEnded, match="succeeded"):
        house.do(cancel, job, house.now())

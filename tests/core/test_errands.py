"""Errands: begun once, accepted before they are asked after, ended once, and found again when their job is over."""

from datetime import UTC, datetime

import pytest

from fluxhouse.core import errands
from fluxhouse.core.cancel import cancel
from fluxhouse.generation.errand import ErrandState

NOW = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.fixture
def job(house):
    """A job that waits."""
    return house.job(house.caller())


@pytest.fixture
def begin(house, job):
    return lambda index=0, provider="replicate": house.do(lambda c: errands.begin(c, job.id, provider, index, NOW))


def test_only_the_first_begin_is_fresh(begin, job):
    """Whoever comes again is told that something may have been sent, under the same key."""
    first, again, other = begin(), begin(), begin(1)
    assert (first.fresh, again.fresh, other.fresh) == (True, False, True)
    assert first.key == again.key == f"fluxhouse-{job.id}-replicate-0" != other.key


def test_a_receipt_is_kept_and_an_end_counts_once(house, begin, job):
    """What the provider calls an errand is there for the next attempt; its cost is kept with the first end."""
    begin()
    house.do(lambda c: errands.accept(c, job.id, "replicate", 0, {"id": "p1"}, NOW))
    assert (begin().state, begin().receipt) == (ErrandState.ACCEPTED, {"id": "p1"})
    assert house.do(lambda c: errands.begun(c, job.id)) == {"replicate"}
    made = [house.do(lambda c: errands.end(c, job.id, "replicate", 0, ErrandState.MADE, NOW, 25_000)) for _ in "ab"]
    assert made == [True, False]
    assert (begin().state, begin().receipt) == (ErrandState.MADE, {"id": "p1"})


def test_what_was_refused_is_sent_again(house, begin, job):
    """Nothing came of it, so the next try is as the first; of what failed nothing is sent again."""
    begin()
    house.do(lambda c: errands.end(c, job.id, "replicate", 0, ErrandState.REFUSED, NOW))
    assert house.do(lambda c: errands.begun(c, job.id)) == set()
    assert begin().fresh
    house.do(lambda c: errands.end(c, job.id, "replicate", 0, ErrandState.FAILED, NOW))
    assert (begin().fresh, begin().state) == (False, ErrandState.FAILED)


def test_open_errands_of_ended_jobs_are_left_over(house, begin, job):
    """A provider still at work for a job that was cancelled is found, and others' errands are not."""
    begin()
    begin(provider="fal")
    find = lambda: house.do(lambda c: errands.left_over(c, "replicate", 10))  # noqa: E731
    assert find() == []
    house.do(cancel, job, NOW)
    assert [(one.job_id, one.errand.provider) for one in find()] == [(job.id, "replicate")]
    house.do(lambda c: errands.end(c, job.id, "replicate", 0, ErrandState.WITHDRAWN, NOW))
    assert find() == []

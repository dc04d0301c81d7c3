"""How long jobs took: medians by model, and an account's own jobs of some days."""

from datetime import timedelta

import pytest

from fluxhouse.core import jobs, timings
from fluxhouse.core.timings import within


def test_a_models_median_is_of_images_that_are_still_there(house, ada):
    """Each job by its number of images; two jobs say nothing yet, and one whose output was removed counts no more."""
    made = []
    for count in (1, 1, 2):
        assert house.see(timings.image_seconds) == {}
        made.append(house.running(ada, count=count))
        house.succeed(made[-1])
    assert house.see(timings.image_seconds) == {"flux-dev": 2.5}
    house.succeed(house.running(ada, count=2))
    assert house.see(timings.image_seconds) == {"flux-dev": (2.5 + 1.25) / 2}
    for job in made[:2]:
        house.do(jobs.output_removed, job.id, house.now())
    assert house.see(timings.image_seconds) == {}


def test_an_accounts_jobs_are_timed_from_submit_to_end(house, ada):
    """Waiting included; nobody else's, and only those of the days asked for."""
    job = house.job(ada)
    house.clock.advance(seconds=30)
    house.claim()
    house.succeed(house.read(job))
    house.job(house.caller("ben"))
    day = job.created_at.date()
    (took,) = house.see(timings.took, ada.account.id, day, day)
    assert (took.model, took.key_id, took.seconds) == (job.model, ada.key.id, 30)
    assert house.see(timings.took, ada.account.id, day - timedelta(days=9), day - timedelta(days=8)) == []


@pytest.mark.parametrize(("share", "seconds"), [(0.5, 3), (0.9, 5), (0.0, 1), (1.0, 5)])
def test_a_share_ended_within_so_many_seconds(share, seconds):
    """By nearest rank: a figure that some job really took."""
    assert within([5, 1, 3, 2, 4], share) == seconds

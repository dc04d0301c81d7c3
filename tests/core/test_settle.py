"""How a job ends, once, whoever else tries."""

from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import update

from fluxhouse.core import cancel, events, jobs, keys, settle, usage
from fluxhouse.generation.errors import ContentModerated, EngineDied, GenerationFailed, OutOfMemory

PRICE = 1_000_000


def test_a_success_is_charged_per_delivered_image(house, ada):
    """Two of three images delivered: two captured, one released, the key's spending as low."""
    job = house.running(ada, count=3)
    assert house.balance(ada) == (97 * PRICE, 3 * PRICE)
    ended = house.succeed(job, images=2)
    assert (ended.state, ended.captured_micro, len(ended.images)) == ("succeeded", 2 * PRICE, 2)
    assert house.balance(ada) == (98 * PRICE, 0)
    assert house.see(keys.get, ada.key.id).spent_micro == 2 * PRICE
    assert house.drift() == []


def test_a_failure_is_free_and_says_why(house, ada):
    """The error's code, sentence and whether trying again helps are kept; nothing is charged."""
    ended = house.do(settle.fail, house.running(ada, count=2), OutOfMemory(), house.now())
    assert (ended.error.code, ended.error.retryable) == ("out_of_memory", False)
    assert house.balance(ada) == (100 * PRICE, 0)


def outcome_with(house, job, withheld):
    """An outcome of all images, those at the places `withheld` black."""
    made = house.outcome(job)
    black = [replace(image, nsfw=True, withheld=True) if image.index in withheld else image for image in made.images]
    return replace(made, images=black)


def test_a_withheld_image_costs_nothing(house, ada):
    """Of three images one is black: two are captured and counted, and all three are kept."""
    job = house.running(ada, count=3)
    ended = house.do(settle.succeed, job, outcome_with(house, job, {1}), house.now())
    assert (ended.state, ended.captured_micro, len(ended.images)) == ("succeeded", 2 * PRICE, 3)
    assert [image.index for image in ended.shown] == [0, 2]
    assert house.read(job) == ended
    (day,) = house.see(usage.between, ada.account.id, house.now().date(), house.now().date())
    assert day.images == 2
    assert house.drift() == []


def test_a_job_all_of_whose_images_are_withheld_has_failed(house, ada):
    """Free, with the reason; what stands in their place is kept for the dialects that show it."""
    job = house.running(ada, count=2)
    ended = house.do(settle.succeed, job, outcome_with(house, job, {0, 1}), house.now())
    assert (ended.state, ended.captured_micro, len(ended.images)) == ("failed", 0, 2)
    assert (ended.error.code, ended.error.retryable, ended.shown) == ("content_moderated", False, ())
    assert isinstance(ended.error.moderated, ContentModerated)
    assert house.balance(ada) == (100 * PRICE, 0)
    assert house.drift() == []


@pytest.mark.parametrize("images", [0, 1])
def test_a_stopped_job_is_charged_for_what_was_delivered(house, ada, images):
    """Cancelled while running costs the images that exist, and usually none do."""
    job = house.running(ada, count=2)
    ended = house.do(settle.cancelled, job, house.outcome(job, images), house.now())
    assert (ended.state, ended.captured_micro) == ("cancelled", images * PRICE)
    assert house.drift() == []


def test_more_images_than_asked_are_refused(house, ada):
    """A backend that delivers too much cannot charge more than was held."""
    job = house.running(ada)
    with pytest.raises(ValueError, match="2 images were delivered where 1 were asked"):
        house.succeed(job, images=2)
    assert house.read(job) == job


def test_a_second_end_changes_nothing(house, ada):
    """The first end holds, whatever comes later."""
    job = house.running(ada)
    ended = house.succeed(job)
    assert house.do(settle.fail, job, GenerationFailed(), house.now()) is None
    assert house.do(settle.fail, ended, GenerationFailed(), house.now()) is None
    assert house.read(job) == ended


def test_a_late_worker_changes_nothing_while_the_job_waits_again(house, ada):
    """Once a worker was given up, neither its success nor its failure counts, even before the next claim."""
    job = house.running(ada)
    house.do(settle.recover, house.now())
    assert house.succeed(job) is None
    assert house.do(settle.fail, job, OutOfMemory(), house.now()) is None
    assert house.do(settle.worker_died, job, house.now()) is None
    assert house.do(settle.engine_died, job, house.now(), alone=False) is None
    assert house.read(job).state == "queued"
    assert [event.state for event in house.see(events.since, job.id)] == ["queued", "running", "queued"]


def test_a_late_worker_changes_nothing_in_the_next_attempt(house, ada):
    """A settle of attempt 1 leaves attempt 2 alone."""
    late = house.running(ada)
    house.do(settle.recover, house.now())
    (job,) = house.claim()
    assert (job.attempt, house.succeed(late)) == (2, None)
    assert house.succeed(job).state == "succeeded"


def test_a_late_heartbeat_counts_for_nothing(house, ada):
    """Beats keep the attempt alive that they belong to, while it runs, and no other."""
    job = house.running(ada)
    later = house.clock.advance(seconds=5)
    house.do(jobs.beat, [(job.id, 1)], later)
    assert house.read(job).heartbeat_at == later
    house.do(settle.recover, later)
    house.do(jobs.beat, [(job.id, 1)], house.clock.advance(seconds=5))
    assert house.read(job).heartbeat_at == later


def test_a_job_asked_to_stop_is_not_run_again(house, ada):
    """A cancel that came after the worker's claim holds when its engine or worker dies."""
    for death in (lambda c, job: settle.engine_died(c, job, house.now(), alone=False), None):
        job = house.running(ada)
        house.do(cancel.cancel, job, house.now())
        ended = house.do(death or (lambda c, job: settle.worker_died(c, job, house.now())), job)
        assert (ended.state, ended.captured_micro) == ("cancelled", 0)


def test_an_engine_that_dies_twice_with_a_job_fails_it(house, ada):
    """The first death retries it, the one where it was alone ends it, typed and free."""
    job = house.running(ada)
    assert house.do(settle.engine_died, job, house.now(), alone=False).engine_deaths == 1
    (job,) = house.claim()
    ended = house.do(settle.engine_died, job, house.now(), alone=True)
    assert (ended.error.code, ended.error.retryable, ended.captured_micro) == ("engine_crashed", False, 0)


def test_the_fifth_death_of_a_worker_ends_a_job(house, ada):
    """Four deaths are borne; the fifth attempt is the last."""
    job = house.job(ada)
    for attempt in range(1, settle.MAX_DEATHS + 1):
        (job,) = house.claim()
        assert job.attempt == attempt
        (job,) = house.do(settle.recover, house.now())
    assert (job.state, job.error.code) == ("failed", "attempts_exhausted")
    assert house.claim() == []
    assert house.drift() == []


def test_stops_in_good_order_never_end_a_job(house, ada):
    """A worker that stops hands the job back, however often: nobody died."""
    job = house.job(ada)
    for _ in range(2 * settle.MAX_DEATHS):
        (job,) = house.claim()
        job = house.do(settle.hand_back, job, house.now())
        assert (job.state, job.deaths) == ("queued", 0)


def test_the_backend_that_made_a_job_is_named(house, ada):
    """`served_by` is in the end who made the images, not who was to make them at submit."""
    job = house.running(ada)
    made = replace(house.outcome(job), served_by="testcard")
    assert house.do(settle.succeed, job, made, house.now()).served_by == "testcard"


def test_recover_takes_the_silent_alone(house, ada):
    """A running job with a fresh heartbeat and a waiting one are left as they are."""
    silent, fresh = house.running(ada), house.running(ada)
    house.job(ada)
    before = house.clock.advance(seconds=30)
    house.do(jobs.beat, [(fresh.id, 1)], before)
    assert [job.id for job in house.do(settle.recover, before, before)] == [silent.id]
    assert house.read(fresh).state == "running"


def test_an_answer_can_be_fetched_for_an_hour(house, ada):
    """A job that ends shortly before its expiry keeps its output for an hour from then."""
    job = house.running(ada)
    house.clock.advance(hours=23, minutes=30)
    assert house.succeed(job).expires_at == house.now() + timedelta(hours=1)


def test_usage_counts_ends_images_and_seconds(house, ada):
    """One line per day, key and model with what became of its jobs."""
    house.succeed(house.running(ada, count=2))
    house.do(settle.fail, house.running(ada), EngineDied(), house.now())
    (day,) = house.see(usage.between, ada.account.id, house.now().date(), house.now().date())
    assert (day.submitted, day.succeeded, day.failed, day.images) == (2, 1, 1, 2)
    assert (day.captured_micro, day.inference_seconds) == (2 * PRICE, 2.5)


def test_the_terminal_event_is_unique_by_index(house, ada):
    """Even code that forgot every check cannot end a job twice."""
    job = house.running(ada)
    house.succeed(job)
    reopened = update(jobs.jobs).where(jobs.jobs.c.id == job.id).values(state="running")
    house.do(lambda connection: connection.execute(reopened))
    with pytest.raises(Exception, match=r"(?i)unique constraint"):
        house.succeed(job)

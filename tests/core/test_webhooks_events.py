"""A job's terms may ask for further messages than the one about its end, or for none about it."""

from datetime import timedelta

import pytest

from fluxhouse.core import settle, webhooks
from fluxhouse.core.jobs import Terms
from fluxhouse.core.webhooks import Sent, WebhookState
from fluxhouse.generation.errors import JobExpired

URL = "https://hooks.example.com/"


def due(house):
    return [webhook.message_id for webhook in house.see(webhooks.due, house.now(), 100)]


def attempt(house, status=200):
    """One attempt at the one webhook that is due."""
    (taken,) = house.do(webhooks.take, house.see(webhooks.due, house.now(), 100), house.now() + timedelta(seconds=60))
    return house.do(webhooks.record, taken, Sent(house.now(), 40, status), 0.0)


def running(house, ada, *events):
    return house.running(ada, webhook_url=URL, terms=Terms(tuple(events)))


@pytest.mark.parametrize(
    ("events", "at_start", "made", "not_made"),
    [
        (("start",), 1, 0, 0),
        (("logs",), 1, 1, 1),
        (("output",), 0, 1, 0),
        (("completed",), 0, 1, 1),
        (("output", "completed"), 0, 1, 1),
        ((), 0, 0, 0),
    ],
)
def test_what_is_told_when(house, ada, events, at_start, made, not_made):
    """The start is told of where it or logs are asked for; the end where anything is that comes with it."""
    for count, end in ((made, "succeed"), (not_made, "fail")):
        job = running(house, ada, *events)
        assert len(due(house)) == at_start
        if at_start:
            assert attempt(house) is WebhookState.WAITING
        if end == "succeed":
            house.succeed(job)
        else:
            house.do(settle.fail, job, JobExpired(), house.now())
        assert len(due(house)) == count
        if count:
            assert attempt(house) is WebhookState.DELIVERED


def test_the_start_has_an_id_of_its_own_and_is_tried_again(house, ada):
    """A receiver that drops repeats by id drops neither message for the other."""
    job = running(house, ada, "start", "completed")
    assert due(house) == [f"msg_{job.id}_start"]
    assert attempt(house, 500) is WebhookState.WAITING
    house.clock.advance(seconds=6)
    assert due(house) == [f"msg_{job.id}_start"]
    house.succeed(job)
    assert due(house) == [f"msg_{job.id}"]
    assert house.see(webhooks.of_job, job.id).tries == 0


def test_an_attempt_about_the_start_that_ends_after_the_job_changes_nothing(house, ada):
    """The message about the end is due all the same, with all its attempts."""
    job = running(house, ada, "start", "completed")
    (taken,) = house.do(webhooks.take, house.see(webhooks.due, house.now(), 9), house.now() + timedelta(seconds=60))
    house.succeed(job)
    house.do(webhooks.record, taken, Sent(house.now(), 40, 200), 0.0)
    assert due(house) == [f"msg_{job.id}"]


def test_the_start_of_a_quick_job_is_told_before_its_end(house, ada):
    """Though it has ended when the message about its start is sent."""
    job = running(house, ada, "start", "completed")
    house.succeed(job)
    assert due(house) == [f"msg_{job.id}_start"]
    attempt(house)
    assert due(house) == [f"msg_{job.id}"]


def test_logs_are_told_again_until_the_job_ends(house, ada):
    """Once a second; then comes the end, whatever is due of the logs."""
    job = running(house, ada, "logs")
    for _ in range(3):
        attempt(house)
        assert due(house) == []
        house.clock.advance(seconds=1)
        assert due(house) == [f"msg_{job.id}_start"]
    house.succeed(job)
    assert due(house) == [f"msg_{job.id}"]
    assert attempt(house) is WebhookState.DELIVERED


def test_a_second_attempt_at_the_job_is_no_second_start(house, ada):
    """A worker that dies does not make the job start twice."""
    job = running(house, ada, "start")
    attempt(house)
    house.do(settle.worker_died, job, house.now())
    (again,) = house.claim()
    assert (again.attempt, due(house)) == (2, [])


def test_no_further_messages_come_unasked(house, ada):
    """Without terms there is one message, about the end."""
    house.running(ada, webhook_url=URL)
    assert due(house) == []

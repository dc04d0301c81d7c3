"""A webhook is due when its job ends, is retried for a day, and every attempt stays visible."""

from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import timedelta

import pytest

from fluxhouse.core import settle, webhooks
from fluxhouse.core.cancel import cancel
from fluxhouse.core.jobs import Terms
from fluxhouse.core.webhooks import RETRY_SECONDS, Sent, WebhookState
from fluxhouse.generation.errors import Conflict, JobExpired, UnknownWebhook

URL = "https://Hooks.example.com:443/a?b=c"


def due(house, **full):
    return house.see(webhooks.due, house.now(), 100, **full)


def take(house, seconds=60):
    return house.do(webhooks.take, due(house), house.now() + timedelta(seconds=seconds))


def attempt(house, spread=0.0, **went):
    """One attempt at the one webhook that is due."""
    (taken,) = take(house)
    return house.do(webhooks.record, taken, Sent(house.now(), 40, **went), spread)


@pytest.fixture
def ended(house, ada):
    """A job that has just ended and has a webhook."""
    return house.succeed(house.running(ada, webhook_url=URL))


def standing(house, job):
    return house.see(webhooks.of_job, job.id)


@pytest.mark.parametrize("end", ["succeed", "fail", "expire", "cancel"])
def test_the_end_of_a_job_makes_its_webhook_due(house, ada, end):
    """However a job ends, its first attempt is due with the same commit, and not before."""
    job = house.job(ada, webhook_url=URL) if end == "cancel" else house.running(ada, webhook_url=URL)
    assert (due(house), standing(house, job).state) == ([], WebhookState.WAITING)
    match end:
        case "succeed":
            house.succeed(job)
        case "fail":
            house.do(settle.fail, job, JobExpired(), house.now())
        case "expire":
            house.do(settle.expire, job, house.now())
        case "cancel":
            house.do(cancel, job, house.now())
    (webhook,) = due(house)
    assert (webhook.job_id, webhook.url, webhook.host, webhook.tries) == (job.id, URL, "hooks.example.com", 0)
    assert webhook.message_id == f"msg_{job.id}"


def test_a_job_without_a_webhook_has_none(house, ada):
    """Nothing is due, nothing can be looked at or replayed."""
    job = house.succeed(house.running(ada))
    assert due(house) == []
    with pytest.raises(UnknownWebhook):
        standing(house, job)
    with pytest.raises(UnknownWebhook):
        house.do(webhooks.replay, job, house.now())


def test_a_refused_submit_leaves_no_webhook(house):
    """Job and webhook are written by one transaction, or neither is."""
    house.submit(house.caller("poor", credit=0), webhook_url=URL)
    assert house.see(lambda c: c.execute(webhooks.webhooks.select()).all()) == []


def test_what_is_accepted_is_delivered(house, ended):
    """Any status from 200 to 299 ends the delivery."""
    assert attempt(house, status=299) is WebhookState.DELIVERED
    house.clock.advance(days=30)
    assert due(house) == []
    (line,) = house.see(webhooks.attempts, ended.id)
    assert (line.number, line.sent.status, line.sent.milliseconds, line.next_at) == (1, 299, 40, None)


def test_what_is_not_accepted_is_retried_for_a_day_and_given_up(house, ended):
    """The pauses grow as stated, each is kept to the microsecond, and the last failure is the end."""
    for pause in RETRY_SECONDS:
        assert attempt(house, status=500) is WebhookState.PENDING
        house.clock.advance(milliseconds=40, seconds=pause, microseconds=-1)
        assert due(house) == []
        house.clock.advance(microseconds=1)
    assert attempt(house, error="webhook_url could not be reached") is WebhookState.GIVEN_UP
    house.clock.advance(days=30)
    assert due(house) == []
    log = house.see(webhooks.attempts, ended.id)
    assert [line.number for line in log] == list(range(1, len(RETRY_SECONDS) + 2))
    assert (log[0].sent.status, log[-1].sent.status, log[-1].sent.error) == (
        500,
        None,
        "webhook_url could not be reached",
    )
    assert all(line.next_at is not None for line in log[:-1])
    assert timedelta(hours=20) < log[-1].sent.at - log[0].sent.at < timedelta(hours=26)


def test_a_spread_lengthens_the_pause_by_a_fifth_at_most(house, ended):
    """What failed at the same moment comes back at different ones."""
    attempt(house, spread=1.0, status=500)
    assert standing(house, ended).next_at == house.now() + timedelta(milliseconds=40, seconds=RETRY_SECONDS[0] * 1.2)


def test_a_receiver_that_is_gone_is_not_asked_again(house, ended):
    """410 says that nobody wants it, whichever attempt it answers."""
    assert attempt(house, status=410) is WebhookState.GIVEN_UP


def test_a_webhook_is_taken_once(house, ended):
    """Two processes that saw the same row: one gets it; after a death it is due again."""
    seen = due(house)
    until = house.now() + timedelta(seconds=60)
    assert len(house.do(webhooks.take, seen, until)) == 1
    assert house.do(webhooks.take, seen, until) == []
    house.clock.advance(seconds=61)
    assert len(due(house)) == 1


def test_who_wakes_late_only_adds_to_the_log(house, ended):
    """An attempt whose time is over is logged, and does not decide what another one decided."""
    (late,) = take(house)
    house.clock.advance(seconds=61)
    attempt(house, status=200)
    house.do(webhooks.record, late, Sent(house.now(), 70_000, status=500), 0.0)
    assert standing(house, ended).state is WebhookState.DELIVERED
    assert [line.sent.status for line in house.see(webhooks.attempts, ended.id)] == [200, 500]
    house.do(webhooks.hand_back, late, house.now())
    assert due(house) == []


def test_what_is_handed_back_is_due_at_once(house, ended):
    """A process that stops leaves its attempt to the next one."""
    (taken,) = take(house)
    assert due(house) == []
    house.do(webhooks.hand_back, taken, house.now())
    assert [webhook.tries for webhook in due(house)] == [0]


def test_a_replay_begins_again(house, ended):
    """After an end of any kind the message is due at once with all its attempts, under the same id."""
    attempt(house, status=410)
    again = house.do(webhooks.replay, ended, house.now())
    assert (again.state, again.tries, again.message_id) == (WebhookState.PENDING, 0, f"msg_{ended.id}")
    assert attempt(house, status=200) is WebhookState.DELIVERED
    assert [line.number for line in house.see(webhooks.attempts, ended.id)] == [1, 2]


def test_a_job_that_has_not_ended_has_nothing_to_replay(house, ada):
    """The message is not known yet."""
    job = house.running(ada, webhook_url=URL)
    with pytest.raises(Conflict):
        house.do(webhooks.replay, job, house.now())


def test_full_hosts_and_accounts_are_passed_over(house, ada):
    """Whoever has enough under way does not stand before others."""
    bob = house.caller("bob")
    for caller, host in ((ada, "a.example"), (ada, "b.example"), (bob, "a.example"), (bob, "c.example")):
        house.succeed(house.running(caller, webhook_url=f"https://{host}/"))
    assert sorted(webhook.host for webhook in due(house, full_hosts={"a.example"})) == ["b.example", "c.example"]
    assert {webhook.account_id for webhook in due(house, full_accounts={ada.account.id})} == {bob.account.id}


def test_the_log_keeps_the_newest_hundred(house, ended):
    """Replays without end do not fill the database."""
    for _ in range(webhooks.KEPT_ATTEMPTS + 5):
        house.do(webhooks.replay, ended, house.now())
        attempt(house, status=500)
    numbers = [line.number for line in house.see(webhooks.attempts, ended.id)]
    assert numbers == list(range(6, 106))


@pytest.mark.parametrize("new_url", ["sqlite"], indirect=True)  # which says how it means to go about it
def test_the_due_are_found_by_index(house, ended):
    """A day's history of deliveries costs the next look nothing."""
    plan = house.see(
        lambda c: c.exec_driver_sql(
            "EXPLAIN QUERY PLAN SELECT * FROM webhooks WHERE next_at <= 1 ORDER BY next_at LIMIT 1"
        ).all()
    )
    assert "ix_webhooks_due" in str(plan)


def test_a_job_that_ends_while_its_start_is_noted_is_told_all_the_same(house, ada):
    """Whoever comes second finds what the first one wrote, whichever that is."""
    terms = Terms(webhook_events=("start", "completed"))
    job = house.running(ada, webhook_url=URL, terms=terms)
    (taken,) = take(house)
    with ThreadPoolExecutor(1) as pool:
        with house.transaction() as connection:
            webhooks.record(connection, taken, Sent(house.now(), 40, status=200), 0.0)
            ending = pool.submit(house.succeed, job)
            with suppress(TimeoutError):
                ending.result(0.3)
        ending.result(20)
    (webhook,) = due(house)
    assert webhook.job_id == job.id

"""What a submit takes in, refuses, counts and repeats."""

import asyncio
from collections import Counter
from datetime import timedelta

import pytest

from fluxhouse.core import events, idempotency, jobs, keys, ledger, usage
from fluxhouse.core.idempotency import IdempotencyKey
from fluxhouse.core.job_search import Search, found
from fluxhouse.core.keys import Caller, Limits
from fluxhouse.core.submit import Refused, Submitted, refuse, submit
from fluxhouse.generation.errors import (
    IdempotencyMismatch,
    InsufficientCredits,
    InvalidParameter,
    KeyNotAllowed,
    RateLimited,
    SpendCapReached,
)

PRICE = 1_000_000
SENT = IdempotencyKey("order-1", "/run", "a" * 64)


def test_what_is_answered_is_what_is_kept(house, ada):
    """The job in the answer is its row, its price held, its first event written, and the balance is what is left."""
    answer = house.submit(ada, count=3)
    assert house.read(answer.job) == answer.job
    assert answer.available_micro == house.balance(ada)[0] == 97 * PRICE
    assert house.balance(ada)[1] == answer.job.hold_micro == 3 * PRICE
    assert answer.job.expires_at == house.now() + timedelta(hours=24)
    assert [(event.number, event.state) for event in house.see(events.since, answer.job.id)] == [(1, "queued")]
    assert house.drift() == []


async def test_200_at_once_on_credits_for_50(live):
    """Exactly 50 jobs are taken in and 150 refused, and the balance ends at zero."""
    caller = live.caller(credit=50)
    asked = live.submission(caller)
    answers = await asyncio.gather(
        *(live.database.write(lambda connection: submit(connection, asked, live.now())) for _ in range(200))
    )
    assert Counter(type(answer) for answer in answers) == {Submitted: 50, Refused: 150}
    assert {type(answer.error) for answer in answers if isinstance(answer, Refused)} == {InsufficientCredits}
    assert live.balance(caller) == (0, 50 * PRICE)
    assert live.see(jobs.count_open) == {"queued": 50, "running": 0}
    assert live.drift() == []


def test_a_refusal_leaves_only_its_count(house):
    """Without credits nothing of the submit remains but the rate and a refusal; the answer says what is missing."""
    poor = house.caller(credit=1)
    answer = house.submit(poor, count=2, idempotency=SENT)
    assert (answer.error.required_micro, answer.error.available_micro) == (2 * PRICE, PRICE)
    assert house.see(found, poor.account.id, Search(), 10) == []
    assert house.see(keys.get, poor.key.id).spent_micro == 0
    assert house.see(idempotency.recall, poor.account.id, SENT, house.now()) is None
    (day,) = house.see(usage.between, poor.account.id, house.now().date(), house.now().date())
    assert (day.submitted, day.refused) == (0, 1)
    assert house.submit(poor).window.remaining == poor.key.rate_per_minute - 2


def test_a_free_job_needs_no_credits(house):
    """An account without any entry may run what costs nothing."""
    poor = house.caller(credit=0)
    (job,) = [house.job(poor, price_micro=0)]
    house.claim()
    house.succeed(house.read(job))
    assert house.drift() == []


def test_the_same_submit_is_answered_again(house, ada):
    """Same key, route and body: the first job and the first balance, with nothing held anew."""
    first = house.submit(ada, idempotency=SENT)
    house.job(ada)
    again = house.submit(ada, idempotency=SENT)
    assert (again.replayed, again.job.id, again.available_micro) == (True, first.job.id, first.available_micro)
    assert house.balance(ada)[1] == 2 * PRICE


@pytest.mark.parametrize(
    "other", [IdempotencyKey("order-1", "/run", "b" * 64), IdempotencyKey("order-1", "/x", "a" * 64)]
)
def test_another_body_or_route_under_the_same_key_is_refused(house, ada, other):
    """A key is bound to the route and the body it came with."""
    house.submit(ada, idempotency=SENT)
    assert isinstance(house.submit(ada, idempotency=other).error, IdempotencyMismatch)
    assert house.balance(ada)[1] == PRICE


def test_idempotency_ends_after_24_hours(house, ada):
    """A microsecond before, the first answer is repeated; at 24 hours the key is free again."""
    first = house.submit(ada, idempotency=SENT)
    house.clock.advance(hours=24, microseconds=-1)
    assert house.submit(ada, idempotency=SENT).job.id == first.job.id
    house.clock.advance(microseconds=1)
    assert house.submit(ada, idempotency=SENT).job.id != first.job.id
    assert house.do(idempotency.purge, house.now()) == 0
    assert house.do(idempotency.purge, house.clock.advance(hours=24)) == 1


def test_a_refusal_is_not_repeated(house):
    """After a top-up the same submit goes through."""
    poor = house.caller(credit=0)
    assert isinstance(house.submit(poor, idempotency=SENT), Refused)
    house.do(ledger.grant, poor.account.id, PRICE, house.now(), None)
    assert not house.submit(poor, idempotency=SENT).replayed


def test_two_accounts_may_use_the_same_idempotency_key(house, ada):
    """A key says nothing to another account."""
    first = house.submit(ada, idempotency=SENT)
    assert house.submit(house.caller("ben"), idempotency=SENT).job.id != first.job.id


def test_a_spend_cap_holds_to_the_credit(house):
    """A key may hold and spend up to its cap; what a job gives back may be spent again."""
    capped = house.caller(limits=Limits(spend_cap_micro=3 * PRICE))
    house.running(capped, count=2)
    assert isinstance(house.submit(capped, count=2).error, SpendCapReached)
    job = house.running(capped)
    assert isinstance(house.submit(capped).error, SpendCapReached)
    house.succeed(job, images=0)
    assert isinstance(house.submit(capped), Submitted)
    assert house.see(keys.get, capped.key.id).spent_micro == 3 * PRICE


def test_a_key_runs_its_models_alone(house):
    """The catalog entry asked or the model that serves it must be on the key's list, where it has one."""
    caller = house.caller(limits=Limits(models=frozenset({"flux-dev"})))
    assert isinstance(house.submit(caller, model="flux-dev"), Submitted)
    caller_of_family = house.caller("ben", limits=Limits(models=frozenset({"flux"})))
    assert isinstance(house.do(submit, house.submission(caller_of_family), house.now()).error, KeyNotAllowed)


def test_a_key_without_the_scope_submits_nothing(house):
    """A key that may only read is refused by name of the scope."""
    reader = house.caller(limits=Limits(scopes=frozenset({"read"})))
    assert "`run`" in house.submit(reader).error.message


def test_the_rate_refuses_before_anything_else(house):
    """Over the rate even a repeated submit is refused, with the seconds to wait."""
    slow = house.caller(limits=Limits(rate_per_minute=1))
    house.submit(slow, idempotency=SENT)
    answer = house.submit(slow, idempotency=SENT)
    assert isinstance(answer.error, RateLimited)
    assert answer.error.retry_after_seconds == 60


def test_a_submit_refused_earlier_counts_too(house, ada):
    """What a dialect refuses is counted and noted; over the rate, that is what the caller hears."""
    caller = Caller(ada.account, house.caller("ben", limits=Limits(rate_per_minute=1)).key)
    first = house.do(refuse, caller, "flux-dev", InvalidParameter("no"), house.now())
    second = house.do(refuse, caller, "flux-dev", InvalidParameter("no"), house.now())
    assert [type(first.error), type(second.error)] == [InvalidParameter, RateLimited]
    (day,) = house.see(usage.between, ada.account.id, house.now().date(), house.now().date())
    assert day.refused == 2

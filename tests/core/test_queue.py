"""Who comes next: fair shares, weights, expiry, models and what is put back."""

from datetime import timedelta

from fluxhouse.core import accounts, queue, settle
from fluxhouse.core.cancel import cancel
from fluxhouse.core.keys import Caller, Limits
from fluxhouse.core.submit import submit


def owners(claimed):
    return [job.account_id for job in claimed]


def test_a_thousand_jobs_do_not_delay_anothers_first(house):
    """X has 1,000 jobs waiting, Y submits one: it is among the next two claims."""
    x, y = house.caller("x", 1000, Limits(rate_per_minute=1000)), house.caller("y")
    with house.transaction() as connection:
        for _ in range(1000):
            submit(connection, house.submission(x, steps=30), house.now())
    for claimed_before in (0, 7):
        house.claim(claimed_before)
        house.job(y)
        assert y.account.id in owners(house.claim(2))


def test_two_who_wait_take_turns(house):
    """Equal jobs of two accounts alternate, however many each has."""
    x, y = house.caller("x"), house.caller("y")
    for caller in (x, x, x, x, y, y):
        house.job(caller)
    first = owners(house.claim(4))
    assert (first.count(x.account.id), first.count(y.account.id)) == (2, 2)


def test_a_large_job_counts_as_many_small_ones(house):
    """Shares are of work: after one job of eight images another account gets eight of one image."""
    x, y = house.caller("x"), house.caller("y")
    for caller, count in ((x, 8), (x, 1), *[(y, 1)] * 9):
        house.job(caller, count=count)
    assert owners(house.claim(10))[1:9] == [y.account.id] * 8


def test_a_weight_of_two_gets_twice_as_much(house):
    """Of nine claims an account of weight 2 gets six, one of weight 1 three."""
    x, y = house.caller("x"), house.caller("y")
    heavy = Caller(accounts.Account(x.account.id, "x", False, 2, x.account.created_at), x.key)
    for caller in (heavy, y) * 9:
        house.job(caller)
    assert owners(house.claim(9)).count(x.account.id) == 6


def test_nobody_pays_later_for_idle_time(house):
    """What an account used while nobody waited does not put it behind others once all of that has ended."""
    x, y = house.caller("x"), house.caller("y")
    house.succeed(house.running(x, count=8, width=2048))
    for _ in range(20):
        house.job(y)
    house.job(x)
    assert x.account.id in owners(house.claim(2))


def test_an_idle_account_saves_nothing_up(house):
    """Who submits first after a long pause gets the present's share and no more."""
    x, y = house.caller("x"), house.caller("y")
    for _ in range(10):
        house.job(x)
    house.claim(5)
    for _ in range(10):
        house.job(y)
    assert owners(house.claim(6)).count(x.account.id) >= 2


def test_claims_are_in_order_and_running(house, ada):
    """Same account, same size: first come, first served, each with its attempt, heartbeat and start."""
    taken = [house.job(ada) for _ in range(3)]
    later = house.clock.advance(seconds=1)
    claimed = house.claim(2)
    assert [job.id for job in claimed] == [job.id for job in taken[:2]]
    assert {(job.state, job.attempt, job.heartbeat_at, job.started_at) for job in claimed} == {
        ("running", 1, later, later)
    }
    assert [house.read(job) for job in claimed] == claimed


def test_only_what_a_worker_can_make_is_claimed(house, ada):
    """Other models wait for a worker that has them."""
    schnell, dev = house.job(ada, model="flux-schnell"), house.job(ada)
    assert [job.id for job in house.claim(5, models=["flux-dev"])] == [dev.id]
    assert house.claim(5, models=[]) == []
    assert [job.id for job in house.claim(5)] == [schnell.id]


def test_what_expired_unstarted_is_not_claimed(house, ada):
    """A job past its expiry is left to the sweep; one that had started is run again."""
    started, late = house.running(ada, lifetime=timedelta(hours=1)), house.job(ada, lifetime=timedelta(hours=1))
    house.do(settle.recover, house.clock.advance(hours=1))
    assert [job.id for job in house.claim(5)] == [started.id]
    assert house.read(late).state == "queued"


def test_what_is_put_back_comes_before_newer_jobs(house, ada):
    """Its turn had come: an interrupted job is the next."""
    interrupted = house.running(ada)
    for _ in range(3):
        house.job(ada)
    house.do(settle.recover, house.now())
    assert [job.id for job in house.claim()] == [interrupted.id]


def test_a_lost_entry_is_made_anew(house, ada):
    """Putting back a job whose entry vanished gives it one at the present."""
    job = house.running(ada)
    house.do(queue.remove, job.id)
    house.do(settle.recover, house.now())
    assert [again.id for again in house.claim()] == [job.id]


def test_positions_and_depths(house, ada):
    """How many come before, how many wait per model and since when; what runs or was cancelled is not counted."""
    house.running(ada)
    first, second = house.job(ada), house.job(ada, model="flux-schnell")
    house.clock.advance(seconds=9)
    gone, third = house.job(ada), house.job(ada)
    assert [house.see(queue.position, job.id) for job in (first, second, third)] == [0, 1, 3]
    house.do(cancel, gone, house.now())
    assert house.see(queue.position, third.id) == 2
    assert house.see(queue.position, gone.id) is None
    depths = {depth.model: (depth.waiting, depth.oldest) for depth in house.see(queue.depths)}
    assert depths == {"flux-dev": (2, first.created_at), "flux-schnell": (1, second.created_at)}

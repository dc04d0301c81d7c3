"""Procrastinate's entries: fair over days, front for those that had their turn, mended where a worker died."""

from contextlib import suppress

import pytest
from sqlalchemy import text

from fluxhouse.core import fleet, queue, shares
from fluxhouse.core.reconcile import reconcile
from fluxhouse.core.submit import submit

FLEET = pytest.mark.parametrize("new_url", ["postgres"], indirect=True)


def priorities(connection):
    found = "SELECT queueing_lock, priority FROM procrastinate_jobs WHERE status = 'todo' ORDER BY id"
    return dict(connection.execute(text(found)).all())


@FLEET
def test_an_entry_is_part_of_the_submit(house, ada):
    """It waits on its model's queue under the job's id, and is gone where the submit is rolled back."""
    job = house.job(ada)
    found = house.see(lambda c: c.execute(text("SELECT queue_name, queueing_lock, args FROM procrastinate_jobs")).one())
    assert (found.queue_name, found.queueing_lock) == (job.request.model, job.id)
    assert found.args == {"job_id": job.id, "tag": 0}
    with suppress(ZeroDivisionError), house.transaction() as connection:
        submit(connection, house.submission(ada), house.now())
        raise ZeroDivisionError
    assert len(house.see(priorities)) == 1


@FLEET
def test_a_newcomer_waits_for_one_job_not_for_a_hundred(house):
    """An account with a hundred jobs waiting delays another's first by what it has running."""
    many, one = house.caller("many", 200), house.caller("one")
    for _ in range(100):
        house.job(many)
    house.claim(2)
    first = house.job(one)
    assert first.id in {job.id for job in house.claim(3)}


@FLEET
def test_priorities_stay_right_over_days(house, ada):
    """Whatever virtual time has passed, priorities fit, the order holds, and the clock outlives every restart."""
    ben = house.caller("ben")
    step = fleet.SCALE * 2**29
    for day in range(6):
        earlier, later = house.job(ada), house.job(ada)
        house.do(shares.advance, house.see(shares.present) + step)
        mine, bens = house.job(ada), house.job(ben)
        house.do(queue.mend, house.now())
        found = house.see(priorities)
        assert all(fleet.LOWEST < priority < fleet.FRONT for priority in found.values()), day
        assert found[earlier.id] >= found[later.id] > found[bens.id] == found[mine.id] or day > 3
        assert [job.id for job in house.claim(2)] == [earlier.id, later.id]
        for job in house.claim(9):
            house.succeed(job)
        for job in (earlier, later):
            house.succeed(house.read(job))
    assert abs(house.see(shares.present) - house.see(fleet._zero)) < 2 * step


@FLEET
def test_a_job_that_had_its_turn_is_in_front(house, ada):
    """It is fetched before everything that waits, however old."""
    turned = house.running(ada)
    house.job(ada)
    house.do(lambda c: queue.put_back(c, turned, house.now()))
    assert house.see(priorities)[turned.id] == fleet.FRONT


@FLEET
def test_what_a_dead_worker_fetched_is_put_back(house, ada):
    """An entry without a living worker is forgotten and its job waits again; one whose worker lives is left alone."""
    dead, alive = house.job(ada), house.job(ada)
    house.do(lambda c: c.execute(text("UPDATE procrastinate_jobs SET status = 'doing'")))
    living = (
        "WITH worker AS (INSERT INTO procrastinate_workers DEFAULT VALUES RETURNING id) "
        "UPDATE procrastinate_jobs SET worker_id = (SELECT id FROM worker) WHERE queueing_lock = :job"
    )
    house.do(lambda c: c.execute(text(living), {"job": alive.id}))
    assert house.do(queue.mend, house.now()) == 1
    assert list(house.see(priorities)) == [dead.id]
    assert house.do(queue.mend, house.now()) == 0
    assert house.see(reconcile) == []


@FLEET
def test_the_fleets_worker_of_each_job_is_known_while_it_has_it(house, ada):
    """As Procrastinate's own fetch notes it; nobody holds what waits."""
    job = house.job(ada)
    assert house.see(queue.holders) == {}
    register = text("INSERT INTO procrastinate_workers DEFAULT VALUES RETURNING id")
    fetch = text("SELECT * FROM procrastinate_fetch_job_v2(NULL, :worker)")
    with house.transaction() as connection:
        worker = connection.execute(register).scalar_one()
        connection.execute(fetch, {"worker": worker})
    assert house.see(queue.holders) == {job.id: worker}

"""Job events: numbered per job, so that a reader can go on where it was."""

from fluxhouse.core import events, settle


def test_a_reader_goes_on_where_it_was(house, ada):
    """Numbers count from 1 without a gap, per job; `since` gives the later ones."""
    job = house.running(ada)
    house.running(ada)
    house.do(settle.worker_died, job, house.now())
    (again,) = house.claim()
    later = house.clock.advance(seconds=3)
    house.succeed(again)
    seen = house.see(events.since, job.id)
    assert [(event.number, event.state, event.attempt) for event in seen] == [
        (1, "queued", 0),
        (2, "running", 1),
        (3, "queued", 1),
        (4, "running", 2),
        (5, "succeeded", 2),
    ]
    assert seen[-1].at == later
    assert house.see(events.since, job.id, 3) == seen[3:]
    assert house.see(events.since, job.id, 5) == house.see(events.since, "nobody") == []
    assert house.see(events.newest, job.id) == seen[-1]

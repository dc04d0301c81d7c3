"""The scheduler prefers what is nearly done, and starves nobody."""

from dataclasses import replace
from pathlib import Path

from fluxhouse.engine.options import ModelWeights
from fluxhouse.engine.scheduler import Scheduler
from fluxhouse.engine.trajectory import Trajectory, plan
from fluxhouse.generation.request import GenerationRequest

REQUEST = GenerationRequest(model="flux-dev", prompt="a fox", width=64, height=64, seed=1)
WEIGHTS = ModelWeights(Path("/weights"), steps=4, guidance=3.5, max_text_tokens=16)


def some(number: int, steps: int, count: int = 1) -> list[Trajectory]:
    return plan(number, replace(REQUEST, steps=steps, count=count), (), WEIGHTS, grid=16)


def run(scheduler: Scheduler, steps: int) -> list[int]:
    """Step what is chosen, as the process does, and say whose steps they were."""
    order = []
    for _ in range(steps):
        chosen = scheduler.choose()
        assert chosen is not None
        chosen.step += 1
        order.append(chosen.number)
        if chosen.finished:
            scheduler.remove(chosen)
    return order


def test_equals_go_in_order_of_arrival_one_after_the_other() -> None:
    """Two equal requests finish one early and one late, not both late."""
    scheduler = Scheduler()
    scheduler.add(some(1, steps=3))
    scheduler.add(some(2, steps=3))
    assert run(scheduler, 6) == [1, 1, 1, 2, 2, 2]


def test_a_short_request_overtakes_a_long_one_in_the_middle() -> None:
    """A request that needs two steps does not wait for fifty."""
    scheduler = Scheduler()
    scheduler.add(some(1, steps=50))
    run(scheduler, 5)
    scheduler.add(some(2, steps=2))
    assert run(scheduler, 3) == [2, 2, 1]


def test_a_long_request_is_not_starved_by_short_ones() -> None:
    """With short requests coming without end, a long one still finishes."""
    scheduler = Scheduler()
    scheduler.add(some(0, steps=40))
    done = 0
    for number in range(1, 400):
        scheduler.add(some(number, steps=4))
        done += run(scheduler, 4).count(0)
    assert done == 40


def test_a_cancelled_request_is_gone() -> None:
    """All images of the request leave; the others stay."""
    scheduler = Scheduler()
    scheduler.add(some(1, steps=3, count=2))
    scheduler.add(some(2, steps=3))
    assert len(scheduler.remove_request(1)) == 2
    assert not scheduler.holds(1)
    assert run(scheduler, 3) == [2, 2, 2]
    assert scheduler.choose() is None

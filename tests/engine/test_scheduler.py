"""The scheduler prefers what is nearly done, packs what gains by it, and starves nobody."""

import random
from dataclasses import replace
from pathlib import Path
from statistics import quantiles

import pytest

from fluxhouse.engine.options import ModelWeights
from fluxhouse.engine.profile import Profile
from fluxhouse.engine.scheduler import Scheduler
from fluxhouse.engine.trajectory import Trajectory, plan
from fluxhouse.generation.request import Acceleration, GenerationRequest

REQUEST = GenerationRequest(model="flux-dev", prompt="a fox", width=64, height=64, seed=1)
WEIGHTS = ModelWeights(Path("/weights"), steps=4, guidance=3.5, max_text_tokens=16)
SOLO = Profile(per_token=0.001)
"""A device on which a pack takes as long as its trajectories one after the other."""
OVERHEAD = Profile(fixed=0.1, per_token=0.001)
"""A device that is busier with starting a forward than with 100 tokens."""


def over(profile: Profile, budget: int = 10_000) -> Scheduler:
    return Scheduler(lambda _: profile, lambda _: budget)


def some(number: int, steps: int, count: int = 1, **asked: object) -> list[Trajectory]:
    request = replace(REQUEST, steps=steps, count=count, **asked)  # type: ignore[arg-type]
    return plan(number, request, (), WEIGHTS, grid=16)


def run(scheduler: Scheduler, steps: int) -> list[list[int]]:
    """Step what is chosen, as the process does, and say whose steps they were."""
    order = []
    for _ in range(steps):
        pack = scheduler.choose()
        order.append([trajectory.number for trajectory in pack])
        for trajectory in pack:
            trajectory.begun = True
            trajectory.step += 1
            if trajectory.finished:
                scheduler.remove(trajectory)
    return order


def test_equals_go_in_order_of_arrival_one_after_the_other() -> None:
    """Two equal requests finish one early and one late, not both late."""
    scheduler = over(SOLO)
    scheduler.add(some(1, steps=3))
    scheduler.add(some(2, steps=3))
    assert run(scheduler, 6) == [[1]] * 3 + [[2]] * 3


def test_a_short_request_overtakes_a_long_one_in_the_middle() -> None:
    """A request that needs two steps does not wait for fifty."""
    scheduler = over(SOLO)
    scheduler.add(some(1, steps=50))
    run(scheduler, 5)
    scheduler.add(some(2, steps=2))
    assert run(scheduler, 3) == [[2], [2], [1]]


def test_a_long_request_is_not_starved_by_short_ones() -> None:
    """With short requests coming without end, a long one still finishes."""
    scheduler = over(SOLO)
    scheduler.add(some(0, steps=40))
    done = 0
    for number in range(1, 400):
        scheduler.add(some(number, steps=4))
        done += run(scheduler, 4).count([0])
    assert done == 40


def test_a_larger_share_goes_first() -> None:
    """Of equal requests the one with twice the share is made first, though it came last."""
    scheduler = over(SOLO)
    scheduler.add(some(1, steps=4))
    scheduler.add(some(2, steps=4, share=2.0))
    assert run(scheduler, 8) == [[2]] * 4 + [[1]] * 4


def test_what_can_share_a_forward_does_where_that_pays() -> None:
    """Where a forward's start costs more than its tokens, four equal requests end together in the time of one."""
    scheduler = over(OVERHEAD)
    for number in range(4):
        scheduler.add(some(number, steps=3))
    assert run(scheduler, 3) == [[0, 1, 2, 3]] * 3
    assert scheduler.choose() == []


def test_levels_and_models_do_not_share_a_forward() -> None:
    """Of two lanes one steps, then the other."""
    scheduler = over(OVERHEAD)
    scheduler.add(some(1, steps=2))
    scheduler.add(some(2, steps=2, acceleration=Acceleration.HIGH))
    assert run(scheduler, 4) == [[1], [1], [2], [2]]


def test_the_budget_bounds_a_pack_but_never_a_single_trajectory() -> None:
    """Packs fill the budget; what is larger goes alone."""
    scheduler = over(OVERHEAD, budget=70)
    for number in range(3):
        scheduler.add(some(number, steps=1))  # 32 tokens each
    scheduler.add(some(3, steps=1, width=256))  # 80 tokens
    assert run(scheduler, 3) == [[0, 1], [2], [3]]


def test_a_pack_that_did_not_fit_is_halved() -> None:
    """After the device had not enough memory for four, two go together."""
    scheduler = over(OVERHEAD)
    scheduler.add(some(0, steps=2, count=4))
    pack = scheduler.choose()
    assert len(pack) == 4
    scheduler.lower(pack)
    assert len(scheduler.choose()) == 2


def test_a_cancelled_request_is_gone() -> None:
    """All images of the request leave; the others stay."""
    scheduler = over(SOLO)
    scheduler.add(some(1, steps=3, count=2))
    scheduler.add(some(2, steps=3))
    assert len(scheduler.remove_request(1)) == 2
    assert not scheduler.holds(1)
    assert run(scheduler, 3) == [[2]] * 3
    assert scheduler.choose() == []


def test_others_make_room_for_a_model_that_does_not_fit_beside_them() -> None:
    """The most urgent cannot begin: what has begun goes on, nothing else begins in its place."""
    scheduler = over(SOLO)
    scheduler.add(some(1, steps=9))
    run(scheduler, 1)
    scheduler.add(some(2, steps=1, acceleration=Acceleration.HIGH))
    scheduler.add(some(3, steps=2))
    begun = scheduler.choose(lambda trajectory: trajectory.number != 2)
    assert [trajectory.number for trajectory in begun] == [1]


class Simulation:
    """Arrivals over simulated seconds, on a device that takes what the profile says."""

    def __init__(self, profile: Profile, budget: int) -> None:
        self.profile, self.budget = profile, budget
        self.now = 0.0
        self.ended: dict[int, float] = {}

    def run(self, arrivals: list[tuple[float, list[Trajectory]]], alone: bool = False) -> dict[int, float]:
        """Seconds from arrival to end by request; `alone` makes them one at a time, first come, first served."""
        scheduler = over(self.profile, self.budget)
        pending, queue = sorted(arrivals, key=lambda one: one[0], reverse=True), []
        arrived = {trajectories[0].number: at for at, trajectories in arrivals}
        while pending or len(scheduler) or queue:
            while pending and (pending[-1][0] <= self.now or not (len(scheduler) or queue)):
                at, trajectories = pending.pop()
                self.now = max(self.now, at)
                queue.extend(trajectories) if alone else scheduler.add(trajectories)
            pack = queue[:1] if alone else scheduler.choose()
            self.step(pack)
            for trajectory in [one for one in pack if one.finished]:
                queue.remove(trajectory) if alone else scheduler.remove(trajectory)
                self.ended[trajectory.number] = self.now
        return {number: end - arrived[number] for number, end in self.ended.items()}

    def step(self, pack: list[Trajectory]) -> None:
        assert len(pack) == 1 or sum(one.tokens for one in pack) <= self.budget
        self.now += self.profile.seconds([length for one in pack for length in one.lengths])
        for trajectory in pack:
            trajectory.step += 1


def arrivals(count: int, seed: int, rate: float) -> list[tuple[float, list[Trajectory]]]:
    """Short and long requests mixed, at random moments, `rate` a second."""
    chance, at, found = random.Random(seed), 0.0, []
    for number in range(count):
        at += chance.expovariate(rate)
        long = chance.random() < 0.1
        found.append((at, some(number, steps=40 if long else 4, width=512 if long else 64, height=256 if long else 64)))
    return found


@pytest.mark.parametrize("profile", [SOLO, OVERHEAD])
def test_thousands_of_arrivals_leave_short_requests_quick_and_long_ones_served(profile: Profile) -> None:
    """At 85 % load nobody starves, and 19 of 20 short requests wait a tenth of what a plain queue lets them."""
    mixed = arrivals(2000, seed=4, rate=0.85 / mean_seconds(profile))
    short = {trajectories[0].number for _, trajectories in mixed if trajectories[0].steps == 4}
    waits = Simulation(profile, budget=2048).run(mixed)
    queued = Simulation(profile, budget=2048).run(arrivals(2000, seed=4, rate=0.85 / mean_seconds(profile)), alone=True)
    assert len(waits) == 2000
    assert p95(waits, short) * 10 < p95(queued, short)
    assert max(waits.values()) < 1.5 * max(queued.values())


def mean_seconds(profile: Profile) -> float:
    small, large = some(0, steps=4)[0], some(0, steps=40, width=512, height=256)[0]
    return 0.9 * 4 * profile.seconds(small.lengths) + 0.1 * 40 * profile.seconds(large.lengths)


def p95(waits: dict[int, float], chosen: set[int]) -> float:
    return quantiles([wait for number, wait in waits.items() if number in chosen], n=20)[-1]


def test_packing_raises_what_a_busy_device_gets_done() -> None:
    """A burst of two hundred small requests ends in less than half the time that they take one after the other."""
    burst = [(0.0, some(number, steps=4)) for number in range(200)]
    packed, alone = Simulation(OVERHEAD, budget=2048), Simulation(OVERHEAD, budget=2048)
    packed.run(burst)
    alone.run([(0.0, some(number, steps=4)) for number in range(200)], alone=True)
    assert packed.now * 2 < alone.now

"""What goes wrong with one trajectory of a pack ends no other."""

import weakref
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from fluxhouse.engine.options import EngineOptions, ModelWeights
from fluxhouse.engine.profile import Profile
from fluxhouse.engine.runner import Runner
from fluxhouse.engine.scheduler import Scheduler
from fluxhouse.engine.stepper import Stepper
from fluxhouse.engine.trajectory import Trajectory, plan
from fluxhouse.generation.errors import GenerationFailed, InputImageRefused, OutOfMemory, PlatformError
from fluxhouse.generation.request import GenerationRequest, Task

REQUEST = GenerationRequest(model="flux", prompt="a fox", width=64, height=64, seed=1, steps=2)


class Bench:
    """A stepper over the built-in model, with the three requests it is to step and what failed of them."""

    def __init__(self, folder: Path) -> None:
        weights = ModelWeights(folder, steps=4, guidance=3.5, max_text_tokens=16)
        self.runner = Runner(EngineOptions({"flux": weights}, packing="always"))
        self.scheduler = Scheduler(lambda _: Profile(fixed=1.0), lambda _: 10_000)
        self.failed: dict[int, PlatformError] = {}
        self.stepper = Stepper(self.runner, self.scheduler, self._fail)
        self.pack = [plan(n, replace(REQUEST, seed=n), (), weights, 32)[0] for n in range(3)]
        self.scheduler.add(self.pack)

    def _fail(self, trajectory: Trajectory, error: PlatformError) -> None:
        self.failed[trajectory.number] = error
        self.runner.drop(self.scheduler.remove_request(trajectory.number))

    def moved(self) -> list[int]:
        return [trajectory.number for trajectory in self.stepper.step(self.pack)]


@pytest.fixture
def bench(checkpoint: Path) -> Bench:
    return Bench(checkpoint)


Forward = Callable[[Trajectory, Sequence[Any]], Any]


def failing(forward: Forward, fails: Callable[[Sequence[Any]], bool], error: Exception) -> Forward:
    """A forward that raises for some packs."""

    def forward_or_fail(trajectory: Trajectory, segments: Sequence[Any]) -> Any:
        if fails(segments):
            raise error
        return forward(trajectory, segments)

    return forward_or_fail


def test_all_move_where_nothing_fails(bench: Bench) -> None:
    """One step each."""
    assert bench.moved() == [0, 1, 2]
    assert [trajectory.step for trajectory in bench.pack] == [1, 1, 1]


def test_a_pack_too_large_for_memory_is_tried_again_smaller(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """The most urgent moves alone, nobody fails, and the next pack is at most half as large."""
    error = torch.OutOfMemoryError("injected")
    monkeypatch.setattr(bench.runner, "_forward", failing(bench.runner._forward, lambda pack: len(pack) > 1, error))
    assert bench.moved() == [0]
    assert not bench.failed
    assert len(bench.scheduler.choose()) == 1
    assert [trajectory.step for trajectory in bench.pack] == [1, 0, 0]


def test_what_does_not_fit_alone_fails_typed_after_one_retry(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """The others go on, and the device is well after it."""
    error = torch.OutOfMemoryError("injected")
    with monkeypatch.context() as patch:
        patch.setattr(bench.runner, "_forward", failing(bench.runner._forward, lambda _: True, error))
        assert bench.moved() == []
    assert {number: type(error) for number, error in bench.failed.items()} == {0: OutOfMemory}
    assert bench.moved() == [1, 2]


def test_one_that_breaks_the_forward_fails_alone(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each is tried by itself, and only the poisoned one is failed."""
    bench.runner.admit(bench.pack[1])
    poisoned = bench.runner._held[bench.pack[1]]
    fails = lambda pack: any(one.conditioning is poisoned.conditionings[0] for one in pack)  # noqa: E731
    monkeypatch.setattr(bench.runner, "_forward", failing(bench.runner._forward, fails, RuntimeError("poison")))
    assert bench.moved() == [0, 2]
    assert {number: type(error) for number, error in bench.failed.items()} == {1: GenerationFailed}


def test_a_request_that_cannot_begin_fails_alone(bench: Bench, tmp_path: Path) -> None:
    """An unreadable picture is that request's error; the others step."""
    broken = tmp_path / "broken.png"
    broken.write_text("no picture")
    weights = bench.runner._options.models["flux"]
    (bad,) = plan(3, replace(REQUEST, task=Task.VARY, inputs=("broken",)), (broken,), weights, 32)
    bench.scheduler.add([bad])
    bench.pack.append(bad)
    assert bench.moved() == [0, 1, 2]
    assert {number: type(error) for number, error in bench.failed.items()} == {3: InputImageRefused}


@pytest.mark.parametrize("lacks", ["_forward", "_hold"])
def test_room_is_made_when_the_failed_attempt_holds_nothing(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, lacks: str
) -> None:
    """Else the retry would have to do without what the first attempt keeps; to step as to begin."""
    taken: list[weakref.ref[torch.Tensor]] = []
    free: list[bool] = []
    whole = getattr(bench.runner, lacks)

    def lacking(*given: Any) -> Any:
        if not taken:
            tensor = torch.zeros(8)
            taken.append(weakref.ref(tensor))
            raise torch.OutOfMemoryError("injected")
        return whole(*given)

    monkeypatch.setattr(bench.runner, lacks, lacking)
    monkeypatch.setattr(bench.runner, "make_room", lambda: free.append(taken[0]() is None))
    assert bench.moved() == ([0] if lacks == "_forward" else [0, 1, 2])
    assert free == [True]

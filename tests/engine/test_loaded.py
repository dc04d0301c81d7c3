"""Models at hand know what they cost, and how large a pack may be."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from fluxhouse.engine import loaded
from fluxhouse.engine.loaded import LoadedModels
from fluxhouse.engine.options import EngineOptions, ModelWeights
from fluxhouse.engine.profile import Profile
from fluxhouse.engine.trajectory import Trajectory, plan
from fluxhouse.generation.request import Acceleration, GenerationRequest

REQUEST = GenerationRequest(model="flux", prompt="a fox", width=64, height=64, seed=1)
MEASURED = Profile(fixed=0.01, per_token=1e-4, proven_tokens=500)


def models(folder: Path, **options: object) -> LoadedModels:
    weights = {"flux": ModelWeights(folder, steps=4, guidance=3.5, max_text_tokens=16)}
    chosen = replace(EngineOptions(weights), **options)  # type: ignore[arg-type]
    return LoadedModels(chosen, torch.device("cpu"), torch.float32)


def trajectory(folder: Path, **asked: object) -> Trajectory:
    weights = ModelWeights(folder, steps=4, guidance=3.5, max_text_tokens=16)
    return plan(1, replace(REQUEST, **asked), (), weights, 32)[0]  # type: ignore[arg-type]


@pytest.fixture
def surveys(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The budgets of the surveys that are made, each of which finds MEASURED."""
    made: list[float] = []

    def survey(_: object, __: int, budget: float) -> Profile:
        made.append(budget)
        return MEASURED

    monkeypatch.setattr(loaded, "survey", survey)
    return made


def test_each_lane_is_surveyed_once(checkpoint: Path, surveys: list[float]) -> None:
    """After a step that shows it to be quick; another level is another lane."""
    known = models(checkpoint)
    taken = known.take("flux", ())
    one, other = trajectory(checkpoint), trajectory(checkpoint, acceleration=Acceleration.HIGH)
    for _ in range(20):
        known.rehearse(one, taken, 0.001)
    assert surveys == [0.5]
    assert known.profile(one) == MEASURED
    known.rehearse(other, taken, 0.001)
    assert surveys == [0.5, 0.5]


def test_a_slow_model_is_not_surveyed_until_it_is_quicker(checkpoint: Path, surveys: list[float]) -> None:
    """Its step alone says what a token takes; it is tried again at the tenth."""
    known = models(checkpoint)
    taken, one = known.take("flux", ()), trajectory(checkpoint)
    known.rehearse(one, taken, 2.0)
    assert surveys == []
    assert known.profile(one).seconds(one.lengths) == pytest.approx(2.0)
    assert known.pack_tokens(one) == 0
    for _ in range(9):
        known.rehearse(one, taken, 0.001)
    assert surveys == [0.5]


@pytest.mark.parametrize(("packing", "tokens"), [("proven", 500), ("never", 0), ("always", 9900)])
def test_packs_are_as_large_as_is_proven_or_wished(
    checkpoint: Path, surveys: list[float], packing: str, tokens: int
) -> None:
    """Where it is wished for whatever comes of it, a step's second is the limit."""
    known, one = models(checkpoint, packing=packing), trajectory(checkpoint)
    known.rehearse(one, known.take("flux", ()), 0.001)
    assert known.pack_tokens(one) == pytest.approx(tokens, abs=1)
    assert models(checkpoint, packing=packing, pack_tokens=40).pack_tokens(one) <= 40

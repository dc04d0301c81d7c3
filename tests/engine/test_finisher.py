"""What is finished is decoded and written beside the steps of others, small pictures first."""

import io
import queue
import weakref
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image

from fluxhouse.engine import finisher
from fluxhouse.engine.finisher import Finisher, Latents, Outcome
from fluxhouse.engine.options import ModelWeights
from fluxhouse.engine.trajectory import Trajectory, plan
from fluxhouse.engine.watch import Watch
from fluxhouse.engine.weights import Weights, load
from fluxhouse.generation.errors import GenerationFailed, OutOfMemory
from fluxhouse.generation.image import MadeImage
from fluxhouse.generation.request import GenerationRequest

REQUEST = GenerationRequest(model="flux", prompt="a fox", width=96, height=64, seed=1, steps=1)

Ends = queue.SimpleQueue[tuple[Trajectory, Outcome]]


@pytest.fixture(scope="module")
def weights(checkpoint: Path) -> Weights:
    return load(checkpoint, torch.device("cpu"), torch.float32)


def latents_of(weights: Weights, number: int, **asked: int) -> Latents:
    model = ModelWeights(Path("/weights"), steps=4, guidance=3.5)
    (trajectory,) = plan(number, replace(REQUEST, **asked), (), model, weights.grid)  # type: ignore[arg-type]
    scale = weights.pixels_per_latent
    shape = (1, weights.latent_channels, trajectory.canvas_height // scale, trajectory.canvas_width // scale)
    return Latents(trajectory, weights, torch.randn(shape, generator=torch.Generator().manual_seed(number)))


def running(checker: Any = None) -> tuple[Finisher, Ends]:
    ends: Ends = queue.SimpleQueue()
    return Finisher("test", lambda trajectory, outcome: ends.put((trajectory, outcome)), Watch(60.0), checker), ends


def test_latents_become_a_file_of_the_size_asked_for(weights: Weights) -> None:
    """Cut from the grid, and with the seconds that it took counted."""
    finishing, ends = running()
    latents = latents_of(weights, 1, width=90)
    finishing.finish(latents)
    trajectory, made = ends.get(timeout=30)
    assert trajectory is latents.trajectory
    assert isinstance(made, MadeImage)
    assert Image.open(io.BytesIO(made.content)).size == (90, 64)
    assert trajectory.seconds > 0


def test_one_that_fails_ends_no_other(weights: Weights) -> None:
    """A picture of no numbers is told as a failure; the next is made."""
    finishing, ends = running()
    bad = latents_of(weights, 1)
    bad.latents.fill_(float("nan"))
    finishing.finish(bad)
    finishing.finish(latents_of(weights, 2))
    outcomes = dict(ends.get(timeout=30) for _ in range(2))
    assert {trajectory.number: type(outcome) for trajectory, outcome in outcomes.items()} == {
        1: GenerationFailed,
        2: MadeImage,
    }


def test_small_pictures_go_first(weights: Weights, monkeypatch: pytest.MonkeyPatch) -> None:
    """Behind one that is being decoded a large one waits for the small one that came after it."""
    order: list[int] = []
    begun, gate = queue.SimpleQueue[None](), queue.SimpleQueue[None]()
    decode = finisher.decode

    def slow(latents: Latents) -> Image.Image:
        begun.put(None)
        gate.get(timeout=30)
        order.append(latents.trajectory.number)
        return decode(latents)

    monkeypatch.setattr(finisher, "decode", slow)
    finishing, ends = running()
    finishing.finish(latents_of(weights, 1))
    begun.get(timeout=30)
    finishing.finish(latents_of(weights, 2, width=256))
    finishing.finish(latents_of(weights, 3))
    for _ in range(3):
        gate.put(None)
    for _ in range(3):
        ends.get(timeout=30)
    assert order == [1, 3, 2]


def test_a_failure_that_waits_to_be_told_holds_no_tensors(weights: Weights, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither by where it was raised nor by what it was raised from."""
    taken: list[weakref.ref[torch.Tensor]] = []

    def short_of_memory(_: Weights, __: torch.Tensor) -> Image.Image:
        tensor = torch.zeros(8)
        taken.append(weakref.ref(tensor))
        raise torch.OutOfMemoryError("injected")

    monkeypatch.setattr(finisher.autoencode, "decode", short_of_memory)
    finishing, ends = running()
    finishing.finish(latents_of(weights, 1))
    _, outcome = ends.get(timeout=30)
    assert isinstance(outcome, OutOfMemory)
    assert [tensor() for tensor in taken] == [None, None]


def test_decoding_is_tried_again_where_memory_was_lacking(weights: Weights, monkeypatch: pytest.MonkeyPatch) -> None:
    """Once, when the first attempt holds nothing any more; then it is OutOfMemory."""
    lacking = [torch.OutOfMemoryError("injected")]
    decode = finisher.autoencode.decode
    taken: list[weakref.ref[torch.Tensor]] = []
    free: list[bool] = []

    def short_of_memory(given: Weights, latents: torch.Tensor) -> Image.Image:
        if lacking:
            tensor = torch.zeros(8)
            taken.append(weakref.ref(tensor))
            raise lacking.pop()
        return decode(given, latents)

    monkeypatch.setattr(finisher.autoencode, "decode", short_of_memory)
    monkeypatch.setattr(finisher, "empty", lambda _: free.append(taken[-1]() is None))
    assert finisher.decode(latents_of(weights, 1)).size == (96, 64)
    assert free == [True]
    lacking += [torch.OutOfMemoryError("injected")] * 2
    with pytest.raises(OutOfMemory):
        finisher.decode(latents_of(weights, 1))


class Unwell:
    """A checker that fails, as often as it is told to, and then lets everything pass."""

    def __init__(self, *failures: Exception) -> None:
        self.failures = list(failures)

    def withholds(self, picture: Image.Image, tolerance: int | None) -> bool:
        assert (picture.size, tolerance) == ((96, 64), 5)
        if self.failures:
            raise self.failures.pop(0)
        return False


@pytest.mark.parametrize("failure", [GenerationFailed("injected"), RuntimeError("injected")])
def test_a_checker_that_fails_lets_nothing_pass_and_ends_no_other(weights: Weights, failure: Exception) -> None:
    """The picture that it could not judge is told as a failure; the next is made."""
    finishing, ends = running(Unwell(failure))
    finishing.finish(latents_of(weights, 1))
    _, outcome = ends.get(timeout=30)
    assert isinstance(outcome, GenerationFailed)
    finishing.finish(latents_of(weights, 2))
    _, outcome = ends.get(timeout=30)
    assert isinstance(outcome, MadeImage)
    assert not outcome.withheld


def test_a_checker_without_memory_is_tried_again(weights: Weights) -> None:
    """Once, as the decoding is."""
    finishing, ends = running(Unwell(OutOfMemory()))
    finishing.finish(latents_of(weights, 1))
    assert isinstance(ends.get(timeout=30)[1], MadeImage)
    finishing, ends = running(Unwell(OutOfMemory(), OutOfMemory()))
    finishing.finish(latents_of(weights, 1))
    assert isinstance(ends.get(timeout=30)[1], OutOfMemory)

"""Requests become trajectories, or are refused by the name of a field."""

from dataclasses import replace
from pathlib import Path

import pytest

from fluxhouse.engine.options import ModelWeights
from fluxhouse.engine.trajectory import check, plan, preview_due
from fluxhouse.generation.errors import RequestRejected
from fluxhouse.generation.request import Acceleration, GenerationRequest, Lora, Task

REQUEST = GenerationRequest(model="flux-dev", prompt="a fox", width=100, height=64, seed=2**32 - 1)
WEIGHTS = ModelWeights(Path("/weights"), steps=28, guidance=3.5, max_text_tokens=16)
INPUT = (Path("/input.png"),)


def test_a_size_off_the_grid_is_made_on_the_next_larger_one() -> None:
    """The canvas is rounded up, never down."""
    (trajectory,) = plan(1, REQUEST, (), WEIGHTS, grid=16)
    assert (trajectory.canvas_width, trajectory.canvas_height) == (112, 64)
    assert trajectory.lengths == (7 * 4 + 16,)


def test_defaults_are_the_models() -> None:
    """Steps and guidance come from the weights where the request names none."""
    (trajectory,) = plan(1, REQUEST, (), WEIGHTS, grid=16)
    assert (trajectory.steps, trajectory.guidance) == (28, 3.5)
    (trajectory,) = plan(1, replace(REQUEST, steps=3, guidance=0.0), (), WEIGHTS, grid=16)
    assert (trajectory.steps, trajectory.guidance) == (3, 0.0)


def test_each_image_has_its_own_seed() -> None:
    """Image i is the image of seed + i, round the end of 32 bits."""
    assert [t.seed for t in plan(1, replace(REQUEST, count=3), (), WEIGHTS, 16)] == [2**32 - 1, 0, 1]


@pytest.mark.parametrize(("strength", "steps"), [(1.0, 10), (0.8, 8), (0.25, 3), (None, 8)])
def test_strength_shortens_the_schedule_as_diffusers_does(strength: float | None, steps: int) -> None:
    """Image to image makes the last part of the schedule."""
    request = replace(REQUEST, task=Task.VARY, strength=strength, steps=10)
    (trajectory,) = plan(1, request, INPUT, WEIGHTS, 16)
    assert trajectory.steps == steps


@pytest.mark.parametrize(
    ("change", "inputs", "field"),
    [
        ({"task": Task.VARY}, (), "inputs"),
        ({"task": Task.VARY}, INPUT * 2, "inputs"),
        ({"task": Task.EDIT}, (), "inputs"),
        ({"width": 0}, (), "width"),
        ({"width": 1_000_000}, (), "width"),
        ({"count": 0}, (), "count"),
        ({"steps": 0}, (), "steps"),
        ({"strength": 1.5}, (), "strength"),
        ({"task": Task.FILL}, INPUT, "inputs"),
        ({"true_guidance": -1.0}, (), "true_guidance"),
        ({"true_guidance": float("nan")}, (), "true_guidance"),
        ({"share": 0.0}, (), "share"),
        ({"loras": (Lora("a", float("inf")),)}, INPUT, "loras"),
    ],
)
def test_what_cannot_be_made_is_refused_by_field(
    change: dict[str, object], inputs: tuple[Path, ...], field: str
) -> None:
    """The error names the parameter."""
    with pytest.raises(RequestRejected) as refused:
        check(replace(REQUEST, **change), inputs, max_pixels=4096 * 4096)  # type: ignore[arg-type]
    assert refused.value.field == field


def test_true_guidance_takes_two_segments() -> None:
    """Only above 1, and only away from a negative prompt, each step computes twice."""
    negative = replace(REQUEST, negative_prompt="grey")
    asked = [replace(negative, true_guidance=2.0), replace(negative, true_guidance=1.0), negative]
    segments = [len(plan(1, one, (), WEIGHTS, 16)[0].lengths) for one in [*asked, replace(REQUEST, true_guidance=2.0)]]
    assert segments == [2, 1, 1, 1]


def test_lora_files_follow_the_pictures() -> None:
    """Each file has the scale of its LoRA; what stands before them are pictures."""
    request = replace(REQUEST, task=Task.EDIT, loras=(Lora("a", 0.5), Lora("b", -1.0)))
    inputs = (*INPUT, Path("/a"), Path("/b"))
    check(request, inputs, max_pixels=10**9)
    (trajectory,) = plan(1, request, inputs, WEIGHTS, 16)
    assert trajectory.pictures == INPUT
    assert trajectory.adapters == ((Path("/a"), 0.5), (Path("/b"), -1.0))
    assert trajectory.lengths == (2 * 7 * 4 + 16,)


def test_only_equal_weights_at_one_level_share_a_lane() -> None:
    """Who differs in size, steps or prompt may share a forward; who differs in level may not."""
    asked = [REQUEST, replace(REQUEST, width=64, steps=9), replace(REQUEST, acceleration=Acceleration.HIGH)]
    lanes = [plan(1, one, (), WEIGHTS, 16)[0].lane for one in asked]
    assert lanes[0] == lanes[1] != lanes[2]


@pytest.mark.parametrize("steps", [1, 2, 4, 8, 28, 50])
def test_previews_are_few_and_end_at_seventy_percent(steps: int) -> None:
    """No more than four previews, none of the last thirty percent."""
    due = [step for step in range(1, steps + 1) if preview_due(step, steps)]
    assert len(due) <= 4
    assert all(step <= 0.7 * steps for step in due)

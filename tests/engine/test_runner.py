"""The runner's pictures are those of diffusers' pipelines, bit by bit, for every task."""

import io
import itertools
import weakref
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from diffusers import FluxImg2ImgPipeline, FluxKontextPipeline, FluxPipeline
from PIL import Image

from fluxhouse.engine import sampling
from fluxhouse.engine.finisher import decode, write
from fluxhouse.engine.options import EngineOptions, ModelWeights
from fluxhouse.engine.runner import Runner
from fluxhouse.engine.trajectory import Trajectory, plan
from fluxhouse.generation.errors import GenerationFailed, WeightsUnavailable
from fluxhouse.generation.image import MadeImage
from fluxhouse.generation.request import Acceleration, GenerationRequest, Task

REQUEST = GenerationRequest(model="flux", prompt="a red fox in the snow", width=128, height=96, seed=11, steps=3)
TOKENS = 32


def runner_over(folder: Path, dtype: str = "float32", fit_references: bool = False) -> Runner:
    weights = ModelWeights(folder, steps=4, guidance=3.5, max_text_tokens=TOKENS, fit_references=fit_references)
    return Runner(EngineOptions({"flux": weights}, dtype=dtype))


def trajectories(runner: Runner, request: GenerationRequest, inputs: tuple[Path, ...] = ()) -> list[Trajectory]:
    return plan(1, request, inputs, runner._options.models["flux"], runner.models.grid("flux"))


def finish(runner: Runner, trajectory: Trajectory) -> MadeImage:
    latents = runner.let_go(trajectory)
    made = write(latents, decode(latents), "test")
    runner.drop([trajectory])
    return made


def make(runner: Runner, request: GenerationRequest, *inputs: Path) -> MadeImage:
    (trajectory,) = trajectories(runner, request, inputs)
    while not trajectory.finished:
        runner.step([trajectory])
    return finish(runner, trajectory)


def pixels(made: MadeImage) -> np.ndarray[Any, Any]:
    return np.asarray(Image.open(io.BytesIO(made.content)))


def by_diffusers(kind: Any, folder: Path, dtype: torch.dtype, **asked: Any) -> np.ndarray[Any, Any]:
    """The same picture, made by a pipeline's own `__call__`."""
    pipeline = kind.from_pretrained(folder, dtype=dtype)
    pipeline.set_progress_bar_config(disable=True)
    (picture,) = pipeline(
        prompt=REQUEST.prompt,
        height=REQUEST.height,
        width=REQUEST.width,
        num_inference_steps=REQUEST.steps,
        max_sequence_length=TOKENS,
        generator=torch.Generator("cpu").manual_seed(REQUEST.seed),
        **asked,
    ).images
    return np.asarray(picture)


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_text_to_image_equals_diffusers(random_dev: Path, dtype: str) -> None:
    """FluxPipeline with the same weights and seed makes the same pixels."""
    ours = pixels(make(runner_over(random_dev, dtype), replace(REQUEST, guidance=2.0)))
    theirs = by_diffusers(FluxPipeline, random_dev, getattr(torch, dtype), guidance_scale=2.0)
    assert np.array_equal(ours, theirs)


def test_a_model_without_guidance_equals_diffusers(random_schnell: Path) -> None:
    """schnell takes no guidance and shifts no sigmas."""
    ours = pixels(make(runner_over(random_schnell), REQUEST))
    assert np.array_equal(ours, by_diffusers(FluxPipeline, random_schnell, torch.float32))


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_image_to_image_equals_diffusers(random_dev: Path, picture: Path, dtype: str) -> None:
    """FluxImg2ImgPipeline with the same strength makes the same pixels."""
    request = replace(REQUEST, task=Task.VARY, strength=0.7, inputs=("square",))
    ours = pixels(make(runner_over(random_dev, dtype), request, picture))
    shown = Image.open(picture).convert("RGB")
    theirs = by_diffusers(
        FluxImg2ImgPipeline, random_dev, getattr(torch, dtype), image=shown, strength=0.7, guidance_scale=3.5
    )
    assert np.array_equal(ours, theirs)


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_kontext_equals_diffusers(random_dev: Path, picture: Path, dtype: str) -> None:
    """FluxKontextPipeline with the same reference makes the same pixels."""
    request = replace(REQUEST, task=Task.EDIT, inputs=("square",))
    ours = pixels(make(runner_over(random_dev, dtype), request, picture))
    shown = Image.open(picture).convert("RGB")
    area = REQUEST.width * REQUEST.height
    theirs = by_diffusers(
        FluxKontextPipeline, random_dev, getattr(torch, dtype), image=shown, max_area=area, guidance_scale=3.5
    )
    assert np.array_equal(ours, theirs)


def test_every_reference_counts(random_dev: Path, picture: Path, tmp_path: Path) -> None:
    """A second reference, and its place in the order, change the picture."""
    other = tmp_path / "other.png"
    Image.new("RGB", (64, 64), (0, 200, 0)).save(other)
    runner, request = runner_over(random_dev, fit_references=True), replace(REQUEST, task=Task.EDIT)
    asked = [(picture,), (picture, other), (other, picture)]
    assert len({make(runner, request, *inputs).content for inputs in asked}) == 3


def test_a_size_off_the_grid_is_cut_from_the_middle(random_dev: Path) -> None:
    """100 by 70 is the centre of 128 by 96."""
    runner = runner_over(random_dev)
    whole, part = (pixels(make(runner, replace(REQUEST, width=w, height=h))) for w, h in ((128, 96), (100, 70)))
    assert part.shape == (70, 100, 3)
    assert np.array_equal(part, whole[13:83, 14:114])


def test_steps_of_two_trajectories_may_alternate(random_dev: Path) -> None:
    """A trajectory that is preempted at every step ends in the same bytes."""
    runner = runner_over(random_dev)
    alone = make(runner, REQUEST).content
    pair = trajectories(runner, replace(REQUEST, count=2))
    while not pair[0].finished:
        for trajectory in pair:
            runner.step([trajectory])
    first, second = (finish(runner, trajectory) for trajectory in pair)
    assert first.content == alone
    assert second.content == make(runner, replace(REQUEST, seed=REQUEST.seed + 1)).content


def test_a_preview_is_small_and_heads_for_the_picture(checkpoint: Path) -> None:
    """At most 256 pixels, and nearer to the result than grey is."""
    runner = runner_over(checkpoint)
    (trajectory,) = trajectories(runner, replace(REQUEST, width=640, height=512, steps=8))
    for _ in range(4):
        runner.step([trajectory])
    preview = Image.open(io.BytesIO(runner.preview(trajectory)))
    while not trajectory.finished:
        runner.step([trajectory])
    final = np.asarray(Image.fromarray(pixels(finish(runner, trajectory))).resize(preview.size)).astype(float)
    assert max(preview.size) <= 256
    assert np.abs(np.asarray(preview) - final).mean() < np.abs(final - 128.0).mean()


def test_a_picture_of_no_numbers_is_a_failure(checkpoint: Path) -> None:
    """Overflow is reported, not drawn as black."""
    runner = runner_over(checkpoint)
    runner._take("flux").weights.vae.decoder.conv_out.bias.data.fill_(float("nan"))
    with pytest.raises(GenerationFailed, match="no number"):
        make(runner, REQUEST)


def test_dropped_trajectories_leave_nothing(checkpoint: Path) -> None:
    """Neither finishing nor dropping keeps tensors."""
    runner = runner_over(checkpoint)
    make(runner, REQUEST)
    (trajectory,) = trajectories(runner, REQUEST)
    runner.step([trajectory])
    runner.drop([trajectory])
    assert not runner._held


def test_ids_of_one_folder_share_its_weights(checkpoint: Path) -> None:
    """Two names of a folder cost its memory once."""
    weights = ModelWeights(checkpoint, steps=4, guidance=3.5, max_text_tokens=TOKENS)
    runner = Runner(EngineOptions({"one": weights, "two": replace(weights, steps=2)}))
    assert runner._take("one") is runner._take("two")


def test_missing_weights_are_named(tmp_path: Path) -> None:
    """An empty folder is WeightsUnavailable, and says where."""
    with pytest.raises(WeightsUnavailable, match=tmp_path.name):
        runner_over(tmp_path)


def test_pickled_weights_are_refused(checkpoint: Path, tmp_path: Path) -> None:
    """A folder that holds .bin in place of safetensors is not loaded."""
    folder = tmp_path / "pickled"
    for path in checkpoint.rglob("*"):
        if path.is_file():
            copy = folder / path.relative_to(checkpoint)
            copy.parent.mkdir(parents=True, exist_ok=True)
            copy.write_bytes(path.read_bytes())
    weights = folder / "transformer" / "diffusion_pytorch_model.safetensors"
    torch.save({}, weights.with_suffix(".bin"))
    weights.unlink()
    with pytest.raises(WeightsUnavailable, match="transformer"):
        runner_over(folder)


def test_a_survey_that_fails_costs_nobody(checkpoint: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not even where memory lacks: the step that it follows is made, and what it took is given back after it."""
    taken: list[weakref.ref[torch.Tensor]] = []

    def lacking(*_: object) -> None:
        tensor = torch.zeros(8)
        taken.append(weakref.ref(tensor))
        raise torch.OutOfMemoryError("injected")

    runner = runner_over(checkpoint)
    monkeypatch.setattr("fluxhouse.engine.loaded.survey", lacking)
    free: list[bool] = []
    monkeypatch.setattr(runner, "make_room", lambda: free.extend(one() is None for one in taken))
    (trajectory,) = trajectories(runner, REQUEST)
    while not trajectory.finished:
        runner.step([trajectory])
    assert free == [True]
    assert trajectory.step == REQUEST.steps
    assert runner.models.pack_tokens(trajectory) == 0


def test_where_a_step_fails_late_none_has_moved(random_dev: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither latents nor what the first block remembers: made again, the step and the picture are the same."""
    fast = replace(REQUEST, acceleration=Acceleration.HIGH, count=2, steps=4)
    runner = runner_over(random_dev)
    runner._options = replace(runner._options, packing="always", skip_threshold=0.3)
    runner.models._options = runner._options
    expected, pair = trajectories(runner, fast), trajectories(runner, fast)
    euler_step, calls = sampling.euler_step, itertools.count()

    def failing(*given: Any) -> torch.Tensor:
        if next(calls) % 2 == 1:
            raise RuntimeError("injected")
        return euler_step(*given)

    while not expected[0].finished:
        runner.step(expected)
        with monkeypatch.context() as patch:
            patch.setattr(sampling, "euler_step", failing)
            with pytest.raises(RuntimeError, match="injected"):
                runner.step(pair)
        runner.step(pair)
    for ours, theirs in zip(pair, expected, strict=True):
        assert torch.equal(runner.let_go(ours).latents, runner.let_go(theirs).latents)

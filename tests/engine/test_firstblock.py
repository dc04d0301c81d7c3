"""Each trajectory decides for itself whether to skip, as diffusers' hook decides for one alone."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from diffusers import FirstBlockCacheConfig, FluxPipeline

from fluxhouse.engine import sampling
from fluxhouse.engine.firstblock import FirstBlock, skippers
from fluxhouse.engine.options import EngineOptions, ModelWeights
from fluxhouse.engine.runner import Runner
from fluxhouse.engine.trajectory import plan
from fluxhouse.generation.request import Acceleration, GenerationRequest

REQUEST = GenerationRequest(
    model="flux", prompt="a red fox", width=64, height=64, seed=1, steps=8, acceleration=Acceleration.HIGH
)


def made(folder: Path, threshold: float, requests: list[GenerationRequest]) -> list[torch.Tensor]:
    """Latents [1, n, 4c] of requests that step together."""
    weights = ModelWeights(folder, steps=4, guidance=3.5, max_text_tokens=32)
    options = EngineOptions({"flux": weights}, packing="always", skip_threshold=threshold)
    runner = Runner(options)
    pack = [plan(number, one, (), weights, runner.models.grid("flux"))[0] for number, one in enumerate(requests)]
    for _ in range(8):
        runner.step(pack)
    return [sampling.pack(runner.let_go(one).latents) for one in pack]


@pytest.mark.parametrize("threshold", [0.05, 0.3])
def test_skipping_equals_the_hook_of_diffusers(random_dev: Path, threshold: float) -> None:
    """Two that skip at different steps, in one pack, each as diffusers makes it alone."""
    requests = [REQUEST, replace(REQUEST, width=128, seed=2, prompt="the sea", guidance=1.0)]
    for request, ours in zip(requests, made(random_dev, threshold, requests), strict=True):
        pipeline = FluxPipeline.from_pretrained(random_dev)
        pipeline.set_progress_bar_config(disable=True)
        pipeline.transformer.enable_cache(FirstBlockCacheConfig(threshold=threshold))
        theirs = pipeline(
            request.prompt,
            width=request.width,
            height=request.height,
            num_inference_steps=8,
            guidance_scale=request.guidance or 3.5,
            max_sequence_length=32,
            generator=torch.Generator("cpu").manual_seed(request.seed),
            output_type="latent",
        ).images
        assert (ours - theirs).abs().max() <= 1e-5


def test_skipping_changes_the_picture_and_not_skipping_does_not(random_dev: Path) -> None:
    """The cache is lossy where it is used, and nothing where no block is skipped."""
    (never,), (often,) = (made(random_dev, threshold, [REQUEST]) for threshold in (-1.0, 0.5))
    (regular,) = made(random_dev, 0.5, [replace(REQUEST, acceleration=Acceleration.REGULAR)])
    assert torch.equal(never, regular)
    assert not torch.allclose(often, never, atol=1e-3)


def test_the_first_step_and_those_without_memory_never_skip() -> None:
    """Nothing is remembered yet, or nothing is to be."""
    head = torch.ones(2, 3)
    known = FirstBlock(0.1)
    known.remember(head, head)
    assert skippers([FirstBlock(0.1), None, known], [head, head, head * 1.05]) == [False, False, True]
    assert skippers([known], [head * 1.2]) == [False]

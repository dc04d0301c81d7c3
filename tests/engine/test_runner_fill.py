"""Repainting under a mask comes out as diffusers' pipelines make it, by a Fill checkpoint and by blending."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
import torch
from diffusers import AutoencoderKL, FluxFillPipeline, FluxInpaintPipeline, FluxPipeline, FluxTransformer2DModel
from PIL import Image

from fluxhouse.engine import sampling
from fluxhouse.engine.options import EngineOptions, ModelWeights
from fluxhouse.engine.runner import Runner
from fluxhouse.engine.trajectory import plan
from fluxhouse.generation.request import GenerationRequest, Task

TOKENS = 32
REQUEST = GenerationRequest(
    model="flux",
    prompt="a door in the wall",
    width=128,
    height=96,
    seed=11,
    steps=3,
    task=Task.FILL,
    inputs=("picture", "mask"),
)


@dataclass(frozen=True)
class Case:
    """A request, its files, and the pipeline that makes the same with which arguments."""

    request: GenerationRequest
    pipeline: Any
    arguments: Mapping[str, Any]
    inputs: tuple[Path, ...]


@pytest.fixture(scope="module")
def masks(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """One as large as the picture with a soft edge, one small and white on the left."""
    folder = tmp_path_factory.mktemp("masks")
    Image.linear_gradient("L").resize((160, 96)).save(folder / "soft.png")
    small = Image.new("L", (20, 12), 0)
    small.paste(255, (0, 0, 9, 12))
    small.save(folder / "small.png")
    return folder / "soft.png", folder / "small.png"


@pytest.fixture(scope="module")
def random_fill(random_dev: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A Fill checkpoint of FLUX's own geometry, 8 pixels a latent and 384 channels in, with random weights."""
    pipeline = FluxPipeline.from_pretrained(random_dev)
    settings = pipeline.transformer.config
    torch.manual_seed(6)
    pipeline.transformer = FluxTransformer2DModel.from_config(settings, in_channels=384, out_channels=64)
    pipeline.vae = AutoencoderKL(
        down_block_types=("DownEncoderBlock2D",) * 4,
        up_block_types=("UpDecoderBlock2D",) * 4,
        block_out_channels=(8, 8, 8, 8),
        norm_num_groups=4,
        latent_channels=16,
        scaling_factor=0.36,
        shift_factor=0.12,
        use_quant_conv=False,
        use_post_quant_conv=False,
    )
    folder = tmp_path_factory.mktemp("weights") / "fill"
    pipeline.save_pretrained(folder)
    return folder


def cases(kind: Any, picture: Path, masks: tuple[Path, Path]) -> list[Case]:
    """Three sizes, step counts, guidances and masks."""
    shown = Image.open(picture).convert("RGB")
    soft, small = (Image.open(mask) for mask in masks)
    more = {} if kind is FluxFillPipeline else {"strength": 1.0}
    wide = replace(REQUEST, width=192, height=64, steps=5, seed=2, guidance=30.0)
    return [
        Case(REQUEST, kind, {"image": shown, "mask_image": soft, **more}, (picture, masks[0])),
        Case(wide, kind, {"image": shown, "mask_image": small, "guidance_scale": 30.0, **more}, (picture, masks[1])),
        Case(
            replace(REQUEST, seed=4, steps=2), kind, {"image": shown, "mask_image": small, **more}, (picture, masks[1])
        ),
    ]


def together(runner: Runner, chosen: list[Case]) -> list[torch.Tensor]:
    """Latents [1, n, 4c] of all, a new one joining the pack at every step, finished ones leaving it."""
    weights, grid = runner._options.models["flux"], runner.models.grid("flux")
    every = [plan(number, case.request, case.inputs, weights, grid)[0] for number, case in enumerate(chosen)]
    coming, going = list(every), []
    while coming or going:
        going += coming[:1]
        del coming[:1]
        runner.step(going)
        going = [trajectory for trajectory in going if not trajectory.finished]
    return [sampling.pack(runner.let_go(trajectory).latents) for trajectory in every]


def runner_over(folder: Path, dtype: str) -> Runner:
    weights = ModelWeights(folder, steps=4, guidance=3.5, max_text_tokens=TOKENS)
    return Runner(EngineOptions({"flux": weights}, dtype=dtype, packing="always"))


def by_diffusers(loaded: FluxPipeline, case: Case, generator: torch.Generator | None = None) -> torch.Tensor:
    """Latents [1, n, 4c] as the pipeline's own `__call__` makes them."""
    request, optional = case.request, ("image_encoder", "feature_extractor")
    parts = {name: part for name, part in loaded.components.items() if name not in optional}
    pipeline = case.pipeline(**parts)
    pipeline.set_progress_bar_config(disable=True)
    made: torch.Tensor = pipeline(
        prompt=request.prompt,
        height=request.height,
        width=request.width,
        num_inference_steps=request.steps,
        max_sequence_length=TOKENS,
        generator=generator or torch.Generator("cpu").manual_seed(request.seed),
        output_type="latent",
        **{"guidance_scale": 3.5, **case.arguments},
    ).images
    return made


def drift(folder: Path, dtype: str, chosen: list[Case]) -> float:
    """The largest difference of any from its pipeline's latents, made alone and in one pack."""
    loaded, runner = FluxPipeline.from_pretrained(folder, dtype=getattr(torch, dtype)), runner_over(folder, dtype)
    theirs = [by_diffusers(loaded, case) for case in chosen]
    alone = [together(runner, [case])[0] for case in chosen]
    packed = together(runner, chosen)
    return max(float((a - b).abs().max()) for ours in (alone, packed) for a, b in zip(ours, theirs, strict=True))


@pytest.mark.parametrize(("dtype", "tolerance"), [("bfloat16", 0.0), ("float32", 1e-5)])
def test_a_fill_checkpoint_equals_the_pipeline(
    random_fill: Path, picture: Path, masks: tuple[Path, Path], dtype: str, tolerance: float
) -> None:
    """FluxFillPipeline's latents, alone and in a mixed pack whose members arrive at different steps."""
    assert drift(random_fill, dtype, cases(FluxFillPipeline, picture, masks)) <= tolerance


@pytest.mark.parametrize(("dtype", "tolerance"), [("bfloat16", 0.0), ("float32", 1e-5)])
def test_the_blend_equals_the_pipeline(
    random_dev: Path, picture: Path, masks: tuple[Path, Path], dtype: str, tolerance: float
) -> None:
    """FluxInpaintPipeline's latents of a checkpoint that reads no mask, beside one from words alone."""
    words = replace(REQUEST, task=Task.GENERATE, inputs=(), steps=4)
    chosen = [*cases(FluxInpaintPipeline, picture, masks), Case(words, FluxPipeline, {}, ())]
    assert drift(random_dev, dtype, chosen) <= tolerance


def test_a_fill_checkpoint_makes_pictures_from_words(random_fill: Path) -> None:
    """Without picture and mask it is as if all of any picture were covered."""
    words = replace(REQUEST, task=Task.GENERATE, inputs=())
    (made,) = together(runner_over(random_fill, "bfloat16"), [Case(words, FluxPipeline, {}, ())])
    generator = torch.Generator("cpu").manual_seed(words.seed)
    noise = sampling.pack(torch.randn(1, 16, 12, 16, generator=generator, dtype=torch.bfloat16))
    covered = {"image": Image.new("RGB", (8, 8), "red"), "mask_image": Image.new("L", (8, 8), 255), "latents": noise}
    loaded = FluxPipeline.from_pretrained(random_fill, dtype=torch.bfloat16)
    assert torch.equal(made, by_diffusers(loaded, Case(words, FluxFillPipeline, covered, ()), generator))

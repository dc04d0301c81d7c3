"""What shares a forward comes out as from diffusers' pipelines: bit by bit in bfloat16, within 1e-5 in float32."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
import torch
from diffusers import FluxImg2ImgPipeline, FluxKontextPipeline, FluxPipeline
from PIL import Image
from safetensors.torch import save_file

from fluxhouse.engine import sampling
from fluxhouse.engine.lora import linear_shapes
from fluxhouse.engine.options import EngineOptions, ModelWeights
from fluxhouse.engine.runner import Runner
from fluxhouse.engine.trajectory import Trajectory, plan
from fluxhouse.generation.request import Acceleration, GenerationRequest, Lora, Task

TOKENS = 32
REQUEST = GenerationRequest(model="flux", prompt="a red fox in the snow", width=128, height=96, seed=11, steps=3)


@dataclass(frozen=True)
class Case:
    """A request, the files that come with it, and the pipeline that makes the same with which arguments."""

    request: GenerationRequest
    pipeline: Any
    arguments: Mapping[str, Any]
    inputs: tuple[Path, ...] = ()


def cases(picture: Path) -> list[Case]:
    """Every kind, at different sizes, steps, guidances and seeds."""
    shown = Image.open(picture).convert("RGB")
    wide = replace(REQUEST, width=192, height=64, steps=5, seed=2, prompt="the sea", guidance=1.5)
    varied = replace(REQUEST, task=Task.VARY, strength=0.7, steps=4, inputs=("square",))
    edited = replace(REQUEST, task=Task.EDIT, inputs=("square",), seed=4)
    away = replace(REQUEST, width=64, height=64, steps=4, negative_prompt="grey fog", true_guidance=3.0)
    return [
        Case(wide, FluxPipeline, {"guidance_scale": 1.5}),
        Case(varied, FluxImg2ImgPipeline, {"image": shown, "strength": 0.7}, (picture,)),
        Case(edited, FluxKontextPipeline, {"image": shown, "max_area": 128 * 96}, (picture,)),
        Case(away, FluxPipeline, {"negative_prompt": "grey fog", "true_cfg_scale": 3.0}),
        Case(replace(REQUEST, width=64, height=160, steps=2), FluxPipeline, {}),
    ]


def runner_over(folder: Path, dtype: str, packing: str = "always") -> Runner:
    weights = ModelWeights(folder, steps=4, guidance=3.5, max_text_tokens=TOKENS)
    return Runner(EngineOptions({"flux": weights}, dtype=dtype, packing=packing))


def planned(runner: Runner, request: GenerationRequest, inputs: tuple[Path, ...], number: int) -> Trajectory:
    grid = runner.models.grid("flux")
    return plan(number, request, inputs, runner._options.models["flux"], grid)[0]


def together(runner: Runner, asked: list[tuple[GenerationRequest, tuple[Path, ...]]]) -> list[torch.Tensor]:
    """Latents [1, n, 4c] of all, a new one joining the pack at every step, finished ones leaving it."""
    coming = [planned(runner, request, inputs, number) for number, (request, inputs) in enumerate(asked)]
    every, going = list(coming), []
    while coming or going:
        going += coming[:1]
        del coming[:1]
        runner.step(going)
        going = [trajectory for trajectory in going if not trajectory.finished]
    return [sampling.pack(runner.let_go(trajectory).latents) for trajectory in every]


def by_pipeline(case: Case, pipeline: Any) -> torch.Tensor:
    """Latents [1, n, 4c] as the pipeline's own `__call__` makes them."""
    request = case.request
    pipeline.set_progress_bar_config(disable=True)
    made: torch.Tensor = pipeline(
        prompt=request.prompt,
        height=request.height,
        width=request.width,
        num_inference_steps=request.steps,
        max_sequence_length=TOKENS,
        generator=torch.Generator("cpu").manual_seed(request.seed),
        output_type="latent",
        **{"guidance_scale": 3.5, **case.arguments},
    ).images
    return made


def pipelines(folder: Path, dtype: torch.dtype) -> Callable[[Any], Any]:
    """Pipelines of any kind over one loaded model."""
    loaded = FluxPipeline.from_pretrained(folder, dtype=dtype)
    return lambda kind: kind(**{name: part for name, part in loaded.components.items() if name not in NO_PARTS})


NO_PARTS = ("image_encoder", "feature_extractor")


@pytest.mark.parametrize(("dtype", "tolerance"), [("bfloat16", 0.0), ("float32", 1e-5)])
def test_a_mixed_pack_equals_the_pipelines(random_dev: Path, picture: Path, dtype: str, tolerance: float) -> None:
    """Text, image to image, editing and true guidance in one forward, each arriving at another step."""
    chosen, made_by = cases(picture), pipelines(random_dev, getattr(torch, dtype))
    ours = together(runner_over(random_dev, dtype), [(case.request, case.inputs) for case in chosen])
    for case, latents in zip(chosen, ours, strict=True):
        theirs = by_pipeline(case, made_by(case.pipeline))
        assert (latents - theirs).abs().max() <= tolerance, case.request


def test_packed_models_without_guidance_equal_the_pipeline(random_schnell: Path) -> None:
    """Two of schnell's in one forward, bit by bit."""
    chosen = [
        Case(replace(REQUEST, steps=2), FluxPipeline, {}),
        Case(replace(REQUEST, width=64, steps=4, seed=3, prompt="the sea"), FluxPipeline, {}),
    ]
    ours = together(runner_over(random_schnell, "bfloat16"), [(case.request, ()) for case in chosen])
    made_by = pipelines(random_schnell, torch.bfloat16)
    assert all(
        torch.equal(latents, by_pipeline(case, made_by(FluxPipeline)))
        for case, latents in zip(chosen, ours, strict=True)
    )


@pytest.fixture(scope="module")
def lora_files(random_dev: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Two LoRAs in diffusers' format: of rank 4 on every block, and of rank 2 on what attends."""
    pipeline = FluxPipeline.from_pretrained(random_dev)
    generator = torch.Generator().manual_seed(8)
    files = []
    for rank, part in ((4, "blocks."), (2, "attn.")):
        tensors = {}
        for name, (height, width) in linear_shapes(pipeline.transformer).items():
            if part in name:
                tensors[f"transformer.{name}.lora_A.weight"] = torch.randn(rank, width, generator=generator) * 0.2
                tensors[f"transformer.{name}.lora_B.weight"] = torch.randn(height, rank, generator=generator) * 0.2
        files.append(tmp_path_factory.mktemp("loras") / f"rank{rank}.safetensors")
        save_file(tensors, files[-1])
    return files[0], files[1]


@pytest.mark.filterwarnings("ignore:Already found a `peft_config`")
def test_loras_in_one_pack_equal_peft(random_dev: Path, lora_files: tuple[Path, Path]) -> None:
    """One with two LoRAs, one with another scale of the first, one with none, each as peft has it alone."""
    first, second = lora_files
    plain = replace(REQUEST, width=64)
    asked: list[tuple[dict[Path, float], GenerationRequest]] = [
        ({first: 0.6, second: -0.5}, replace(plain, seed=1)),
        ({first: 1.5}, replace(plain, seed=2, steps=4)),
        ({}, replace(plain, seed=3)),
    ]
    requests = [
        (replace(one, loras=tuple(Lora(path.name, scale) for path, scale in scales.items())), tuple(scales))
        for scales, one in asked
    ]
    ours = together(runner_over(random_dev, "float32"), requests)
    for (scales, one), latents in zip(asked, ours, strict=True):
        pipeline = FluxPipeline.from_pretrained(random_dev)
        for path in scales:
            pipeline.load_lora_weights(path, adapter_name=path.stem)
        if scales:
            pipeline.set_adapters([path.stem for path in scales], list(scales.values()))
        theirs = by_pipeline(Case(one, FluxPipeline, {}), pipeline)
        assert (latents - theirs).abs().max() <= 1e-5
    assert not torch.allclose(ours[0], ours[2], atol=0.1)


@pytest.mark.parametrize("level", [Acceleration.REGULAR, Acceleration.HIGH])
def test_other_levels_drift_by_rounding_or_by_choice(random_dev: Path, picture: Path, level: Acceleration) -> None:
    """`regular` differs from `none` by rounding alone, and as little as that does `high` where it never skips."""
    runner = runner_over(random_dev, "float32")
    runner._options = replace(runner._options, skip_threshold=-1.0)
    asked = [(replace(case.request, acceleration=level), case.inputs) for case in cases(picture)]
    fast = together(runner, asked)
    exact = together(runner, [(replace(one, acceleration=Acceleration.NONE), inputs) for one, inputs in asked])
    assert all((a - b).abs().max() <= 1e-4 for a, b in zip(fast, exact, strict=True))


@pytest.mark.parametrize(
    ("level", "dtype"),
    [(Acceleration.NONE, "bfloat16"), (Acceleration.REGULAR, "float32"), (Acceleration.HIGH, "bfloat16")],
)
def test_the_pack_changes_no_bit_where_it_is_proven(
    random_dev: Path, picture: Path, level: Acceleration, dtype: str
) -> None:
    """Where a survey has seen packs to be invariant, what runs beside a request does not show in it."""
    runner = runner_over(random_dev, dtype, packing="proven")
    asked = [(replace(case.request, acceleration=level, steps=3), case.inputs) for case in cases(picture)]
    packed = together(runner, asked)
    alone = [together(runner, [one])[0] for one in asked]
    assert all(torch.equal(a, b) for a, b in zip(packed, alone, strict=True))

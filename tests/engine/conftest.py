"""One checkpoint, two random ones and one running engine, shared by all tests of the engine."""

from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
import torch
from diffusers import FlowMatchEulerDiscreteScheduler, FluxTransformer2DModel
from PIL import Image, ImageDraw
from tests.handset.make import build, make
from transformers import ViTConfig, ViTForImageClassification, ViTImageProcessorPil

from fluxhouse.engine import bfl
from fluxhouse.engine.engine import Engine
from fluxhouse.engine.options import EngineOptions, ModelWeights

torch.set_num_threads(1)  # Tests share their cores: threads that wait for each other cost more than they bring.


@pytest.fixture(scope="session")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The hand-set checkpoint's folder."""
    folder = tmp_path_factory.mktemp("weights") / "handset"
    make(folder)
    return folder


def random_checkpoint(folder: Path, guidance_embeds: bool) -> Path:
    """A folder whose transformer has random weights, so that every part of it counts."""
    pipeline = build()
    torch.manual_seed(5)
    pipeline.transformer = FluxTransformer2DModel(
        in_channels=64,
        num_layers=2,
        num_single_layers=2,
        attention_head_dim=32,
        num_attention_heads=2,
        joint_attention_dim=64,
        pooled_projection_dim=64,
        guidance_embeds=guidance_embeds,
        axes_dims_rope=(8, 12, 12),
    )
    pipeline.scheduler = FlowMatchEulerDiscreteScheduler(
        shift=3.0 if guidance_embeds else 1.0, use_dynamic_shifting=guidance_embeds
    )
    pipeline.save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def random_dev(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return random_checkpoint(tmp_path_factory.mktemp("weights") / "dev", guidance_embeds=True)


@pytest.fixture(scope="session")
def random_schnell(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return random_checkpoint(tmp_path_factory.mktemp("weights") / "schnell", guidance_embeds=False)


@pytest.fixture(scope="session")
def picture(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An input picture of 160 x 96 pixels: a red square on blue."""
    path = tmp_path_factory.mktemp("inputs") / "square.png"
    image = Image.new("RGB", (160, 96), (20, 60, 200))
    ImageDraw.Draw(image).rectangle((20, 20, 80, 80), fill=(220, 30, 30))
    image.save(path)
    return path


def options_over(folder: Path, readable: tuple[Path, ...] = (), **seconds: float) -> EngineOptions:
    weights = ModelWeights(folder, steps=4, guidance=3.5, max_text_tokens=48, fit_references=True)
    models = {"flux-dev": weights, "flux-kontext-dev": weights}
    limits = {"silence_seconds": 60.0} | seconds
    return EngineOptions(models, name="fluxhouse-builtin", threads=1, readable=readable, **limits)


@pytest.fixture(scope="session")
def options_for() -> Callable[..., EngineOptions]:
    """Options of an engine over a folder."""
    return options_over


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def engine(
    checkpoint: Path, checker_folder: Path, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Engine]:
    """A started engine over the built-in model, that may read the tests' own files, with a safety checker."""
    options = options_over(checkpoint, readable=(tmp_path_factory.getbasetemp(),))
    running = Engine(replace(options, checker=checker_folder))
    await running.start()
    yield running
    await running.close()


_ENDS = ("mod.lin", "attn.norm.query_norm", "attn.norm.key_norm", "attn.proj", "attn.qkv", "mlp.0", "mlp.2")
_DOUBLE = [f"{side}_{end}" for side in ("img", "txt") for end in _ENDS]
_SINGLE = ["modulation.lin", "norm.query_norm", "norm.key_norm", "linear1", "linear2"]


def bfl_names_of(model: Any) -> dict[str, torch.Tensor]:
    """The model's tensors as BFL writes them, by the shapes of its own modules."""
    left = dict(model.state_dict())
    names = [
        *("img_in", "txt_in", "final_layer.linear", "final_layer.adaLN_modulation.1"),
        *(f"{part}.{layer}" for part in ("time_in", "vector_in", "guidance_in") for layer in ("in_layer", "out_layer")),
        *(f"double_blocks.{i}.{rest}" for i in range(len(model.transformer_blocks)) for rest in _DOUBLE),
        *(f"single_blocks.{i}.{rest}" for i in range(len(model.single_transformer_blocks)) for rest in _SINGLE),
    ]
    written = {}
    for name in names:
        for kind in ("weight", "bias"):
            parts = [left.pop(f"{module}.{kind}") for module in bfl.modules(name) if f"{module}.{kind}" in left]
            if name == "final_layer.adaLN_modulation.1":
                parts = list(parts[0].chunk(2)[::-1])
            if parts:
                written[f"{name}.{'scale' if name.endswith('_norm') else kind}"] = torch.cat(parts)
    assert not left
    return written


@pytest.fixture(scope="session")
def in_bfl_names() -> Callable[[Any], dict[str, torch.Tensor]]:
    """Writes a transformer as a single file has it."""
    return bfl_names_of


@pytest.fixture(scope="session")
def checker_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A safety checker whose score rises with the red of a picture, from 0.23 without any to 0.77."""
    labels = {0: "normal", 1: "NSFW"}
    model = ViTForImageClassification(
        ViTConfig(
            hidden_size=32,
            num_hidden_layers=2,
            num_attention_heads=2,
            intermediate_size=64,
            image_size=32,
            patch_size=8,
            id2label=labels,
            label2id={label: place for place, label in labels.items()},
        )
    )
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            parameter.fill_(1.0 if "layernorm" in name and name.endswith("weight") else 0.0)
        # A patch as its mean red, up and down, beside constants that keep the norms from levelling it; the first layer
        # gives the class token the mean of all patches.
        patch = model.vit.embeddings.patch_embeddings.projection
        patch.weight[0, 0], patch.weight[1, 0] = 1 / 64, -1 / 64
        patch.bias[2], patch.bias[3] = 10.0, -10.0
        attention = model.vit.layers[0].attention
        attention.v_proj.weight.copy_(torch.eye(32))
        attention.o_proj.weight.copy_(torch.eye(32))
        model.classifier.weight[1, 0] = 3.0
    folder = tmp_path_factory.mktemp("weights") / "checker"
    model.save_pretrained(folder)
    ViTImageProcessorPil(size={"height": 32, "width": 32}).save_pretrained(folder)
    return folder

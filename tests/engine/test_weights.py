"""Weights are read from a diffusers folder, and say what they need."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from diffusers import FluxTransformer2DModel
from safetensors.torch import save_file

from fluxhouse.engine import sampling
from fluxhouse.engine.weights import load
from fluxhouse.generation.errors import WeightsUnavailable


def test_a_folder_says_its_grid_and_guidance(checkpoint: Path, random_schnell: Path) -> None:
    """Sizes and guidance come from the parts' own configurations."""
    ours, schnell = (load(folder, torch.device("cpu"), torch.bfloat16) for folder in (checkpoint, random_schnell))
    assert (ours.pixels_per_latent, ours.grid, ours.latent_channels, ours.takes_guidance) == (16, 32, 16, True)
    assert not schnell.takes_guidance
    assert next(ours.transformer.parameters()).dtype is torch.bfloat16


def test_a_single_file_is_the_same_model(
    in_bfl_names: Callable[[Any], dict[str, torch.Tensor]], random_schnell: Path, random_dev: Path, tmp_path: Path
) -> None:
    """A transformer in BFL's names and the rest of another model make what the folder makes, by its own schedule."""
    model = FluxTransformer2DModel.from_pretrained(random_dev, subfolder="transformer")
    written = {f"model.diffusion_model.{name}": one for name, one in in_bfl_names(model).items()}
    save_file(written, tmp_path / "dev.safetensors")
    single = load(random_schnell, torch.device("cpu"), torch.bfloat16, tmp_path / "dev.safetensors")
    folder = load(random_dev, torch.device("cpu"), torch.bfloat16)
    wanted = folder.transformer.state_dict()
    assert all(torch.equal(one, wanted[name]) for name, one in single.transformer.state_dict().items())
    assert single.takes_guidance
    schedules = [sampling.schedule(4, 16, weights.schedule, weights.device) for weights in (single, folder)]
    assert torch.equal(*schedules)


def test_an_autoencoder_of_another_class_is_refused(random_dev: Path, tmp_path: Path) -> None:
    """The class is named, and those that can be used."""
    shutil.copytree(random_dev, tmp_path, dirs_exist_ok=True)
    settings = json.loads((tmp_path / "vae" / "config.json").read_text())
    (tmp_path / "vae" / "config.json").write_text(json.dumps(settings | {"_class_name": "VQModel"}))
    with pytest.raises(WeightsUnavailable, match="VQModel, where AutoencoderKL or AutoencoderTiny"):
        load(tmp_path, torch.device("cpu"), torch.float32)


def test_another_file_is_refused(random_dev: Path, tmp_path: Path) -> None:
    """A single file with a tensor that no transformer has is refused by that name."""
    save_file({"img_in.weight": torch.zeros(4, 4), "lora_up.weight": torch.zeros(1)}, tmp_path / "odd.safetensors")
    with pytest.raises(WeightsUnavailable, match="lora_up"):
        load(random_dev, torch.device("cpu"), torch.float32, tmp_path / "odd.safetensors")

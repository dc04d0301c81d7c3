"""The model's parts in a diffusers folder: loaded to be trained or used, and written one by one."""

from __future__ import annotations

import json
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from diffusers import AutoencoderTiny, FlowMatchEulerDiscreteScheduler, FluxPipeline, FluxTransformer2DModel
from numpy.typing import NDArray
from torch import Tensor
from transformers import CLIPTextModel, CLIPTokenizer, T5EncoderModel, T5Tokenizer

from fluxhouse.builtin.training.growing import encode_small, halvings

FOLDERS: dict[str, Any] = {
    "scheduler": FlowMatchEulerDiscreteScheduler,
    "vae": AutoencoderTiny,
    "text_encoder": CLIPTextModel,
    "tokenizer": CLIPTokenizer,
    "text_encoder_2": T5EncoderModel,
    "tokenizer_2": T5Tokenizer,
    "transformer": FluxTransformer2DModel,
}
"""Subfolder -> class of each part, as `FluxPipeline` names them."""

Pixels = NDArray[np.uint8]


class PartMissing(Exception):
    """A part that has to be trained first is not in the folder."""


@dataclass(frozen=True, slots=True)
class Parts:
    """Parts of a model by their subfolder's name, on one device, in float32."""

    loaded: dict[str, Any]
    device: torch.device

    def __getitem__(self, part: str) -> Any:
        return self.loaded[part]

    @property
    def pixels_per_latent(self) -> int:
        return int(2 ** (len(self["vae"].config.block_out_channels) - 1))

    @property
    def grid(self) -> int:
        """Pixels of one token's side."""
        return 2 * self.pixels_per_latent

    @property
    def painted_grid(self) -> int:
        """The same in pictures painted so small that the levels which only halve can be left out."""
        return int(self.grid // 2 ** halvings(self["vae"]))


def load(folder: Path, names: tuple[str, ...], device: torch.device) -> Parts:
    """Parts of the folder. Raises PartMissing, naming the one that is not there."""
    loaded = {}
    for name in names:
        if not (folder / name).is_dir():
            raise PartMissing(
                f"{folder} has no {name}: train what comes before, or name a folder that has it (--from)."
            )
        part = _opened(FOLDERS[name], folder / name)
        if isinstance(part, torch.nn.Module):
            part = part.to(device).eval().requires_grad_(False)
        loaded[name] = part
    return Parts(loaded, device)


def _opened(kind: Any, folder: Path) -> Any:
    if issubclass(kind, torch.nn.Module):
        return kind.from_pretrained(folder, local_files_only=True, dtype=torch.float32)
    return kind.from_pretrained(folder, local_files_only=True)


def write(folder: Path, name: str, part: Any) -> None:
    """Put one part into the folder, networks in bfloat16; with the last one the folder becomes a pipeline's."""
    if isinstance(part, torch.nn.Module):
        part = deepcopy(part).to(torch.bfloat16)
    part.save_pretrained(folder / name)
    if all((folder / other).is_dir() for other in FOLDERS):
        (folder / FluxPipeline.config_name).write_text(json.dumps(_index(), indent=2) + "\n")


def _index() -> dict[str, Any]:
    classes = {name: [kind.__module__.partition(".")[0], kind.__name__] for name, kind in FOLDERS.items()}
    return {
        "_class_name": FluxPipeline.__name__,
        "feature_extractor": [None, None],
        "image_encoder": [None, None],
    } | classes


@torch.no_grad()
def encode(parts: Parts, pixels: Pixels, at_once: int = 16) -> Tensor:
    """Scaled latents of small pictures [n, h, w, 3], as the transformer sees them: a token is `painted_grid` wide."""
    vae = parts["vae"]
    found = [
        encode_small(vae, as_tensor(some, parts.device)) for some in np.array_split(pixels, -(-len(pixels) // at_once))
    ]
    latents: Tensor = (torch.cat(found) - vae.config.shift_factor) * vae.config.scaling_factor
    return latents


@torch.no_grad()
def decode(parts: Parts, latents: Tensor) -> Pixels:
    """Pictures [n, h, w, 3] of scaled latents."""
    vae = parts["vae"]
    return as_pixels(vae.decode(latents / vae.config.scaling_factor + vae.config.shift_factor).sample)


def as_tensor(pixels: Pixels, device: torch.device) -> Tensor:
    """[n, h, w, 3] from 0 to 255 -> [n, 3, h, w] from -1 to 1."""
    return torch.from_numpy(pixels).to(device).permute(0, 3, 1, 2).float().div(127.5).sub(1)


def as_pixels(pictures: Tensor) -> Pixels:
    """[n, 3, h, w] from -1 to 1 -> [n, h, w, 3] from 0 to 255."""
    bytes_ = pictures.float().add(1).mul(127.5).round().clamp(0, 255).to(torch.uint8)
    found: Pixels = bytes_.permute(0, 2, 3, 1).cpu().numpy()
    return found

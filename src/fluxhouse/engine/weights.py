"""Weights in memory: a standard diffusers FLUX folder, loaded from safetensors and nothing else, without network."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from diffusers import AutoencoderKL, FlowMatchEulerDiscreteScheduler, FluxTransformer2DModel
from safetensors import SafetensorError
from transformers import CLIPTextModel, CLIPTokenizer, T5EncoderModel, T5TokenizerFast

from fluxhouse.generation.errors import WeightsUnavailable


@dataclass(frozen=True, slots=True)
class Weights:
    """Every part of one model, on its device and in its type. `schedule` is the sigma schedule's configuration."""

    transformer: Any
    vae: Any
    clip: Any
    clip_tokenizer: Any
    t5: Any
    t5_tokenizer: Any
    schedule: Mapping[str, Any]
    device: torch.device
    dtype: torch.dtype

    @property
    def pixels_per_latent(self) -> int:
        return int(2 ** (len(self.vae.config.block_out_channels) - 1))

    @property
    def grid(self) -> int:
        """Pixels of one transformer token's side: two latents."""
        return 2 * self.pixels_per_latent

    @property
    def latent_channels(self) -> int:
        return int(self.vae.config.latent_channels)

    @property
    def fills(self) -> bool:
        """Whether the transformer reads a kept picture and a mask beside the latents."""
        return int(self.transformer.config.in_channels) > 4 * self.latent_channels

    @property
    def takes_guidance(self) -> bool:
        return bool(self.transformer.config.guidance_embeds)


def load(folder: Path, device: torch.device, dtype: torch.dtype) -> Weights:
    """All parts of the folder. Raises WeightsUnavailable, naming the part that is missing or unreadable."""
    if not (folder / "model_index.json").is_file():
        raise WeightsUnavailable(f"{folder} is not a diffusers folder: it has no model_index.json.")

    def network(kind: Any, part: str) -> Any:
        loaded = _part(kind, folder, part, dtype=dtype, use_safetensors=True)
        return loaded.to(device).eval().requires_grad_(False)

    return Weights(
        transformer=network(FluxTransformer2DModel, "transformer"),
        vae=network(AutoencoderKL, "vae"),
        clip=network(CLIPTextModel, "text_encoder"),
        clip_tokenizer=_part(CLIPTokenizer, folder, "tokenizer"),
        t5=network(T5EncoderModel, "text_encoder_2"),
        t5_tokenizer=_part(T5TokenizerFast, folder, "tokenizer_2"),
        schedule=dict(_part(FlowMatchEulerDiscreteScheduler, folder, "scheduler").config),
        device=device,
        dtype=dtype,
    )


def _part(kind: Any, folder: Path, part: str, **how: Any) -> Any:
    try:
        return kind.from_pretrained(str(folder), subfolder=part, local_files_only=True, **how)
    except (OSError, ValueError, KeyError, TypeError, RuntimeError, SafetensorError) as error:
        raise WeightsUnavailable(f"{folder / part} could not be loaded: {error}") from error

"""Weights in memory: a diffusers FLUX folder or a single file, from safetensors and nothing else, without network."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from diffusers import AutoencoderKL, AutoencoderTiny, FlowMatchEulerDiscreteScheduler, FluxTransformer2DModel
from safetensors import SafetensorError, safe_open
from transformers import CLIPTextModel, CLIPTokenizer, T5EncoderModel, T5TokenizerFast

from fluxhouse.engine import bfl
from fluxhouse.engine.checkpoints import Checkpoint, Network, examine
from fluxhouse.generation.errors import WeightsUnavailable

_KINDS = {
    "transformer": FluxTransformer2DModel,
    "text_encoder": CLIPTextModel,
    "text_encoder_2": T5EncoderModel,
}
_AUTOENCODERS = {kind.__name__: kind for kind in (AutoencoderKL, AutoencoderTiny)}
_STANDARD_SCHEDULES = {
    True: FlowMatchEulerDiscreteScheduler(shift=3.0, use_dynamic_shifting=True).config,
    False: FlowMatchEulerDiscreteScheduler(shift=1.0).config,
}
"""The sigma schedules of dev, which takes guidance, and of schnell: a single file brings none."""


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


def load(folder: Path, device: torch.device, dtype: torch.dtype, transformer_file: Path | None = None) -> Weights:
    """All parts of a checkpoint. Raises WeightsUnavailable, naming the part that is missing or unreadable."""
    checkpoint = examine(folder, transformer_file)
    networks = {part: load_network(network, device, dtype) for part, network in checkpoint.networks.items()}
    return assemble(checkpoint, networks, device, dtype)


def load_network(network: Network, device: torch.device, dtype: torch.dtype) -> Any:
    """One network in memory, ready to compute. Raises WeightsUnavailable."""
    if network.single:
        loaded = _single_file(network, device, dtype)
    else:
        kind = _autoencoder(network) if network.part == "vae" else _KINDS[network.part]
        loaded = _part(kind, network.folder.parent, network.part, dtype=dtype, use_safetensors=True).to(device)
    return loaded.eval().requires_grad_(False)


def _autoencoder(network: Network) -> Any:
    """The class that the part's own configuration names; raises WeightsUnavailable."""
    name = str(AutoencoderKL.load_config(str(network.folder), local_files_only=True).get("_class_name"))
    if name not in _AUTOENCODERS:
        known = " or ".join(_AUTOENCODERS)
        raise WeightsUnavailable(f"{network.folder} is of the class {name}, where {known} can be used.")
    return _AUTOENCODERS[name]


def assemble(checkpoint: Checkpoint, networks: Mapping[str, Any], device: torch.device, dtype: torch.dtype) -> Weights:
    """The model of networks in memory, by part, with the checkpoint's tokenizers and schedule."""
    schedule = _STANDARD_SCHEDULES[checkpoint.guided]
    if not checkpoint.networks["transformer"].single:
        schedule = _part(FlowMatchEulerDiscreteScheduler, checkpoint.folder, "scheduler").config
    return Weights(
        transformer=networks["transformer"],
        vae=networks["vae"],
        clip=networks["text_encoder"],
        clip_tokenizer=_part(CLIPTokenizer, checkpoint.folder, "tokenizer"),
        t5=networks["text_encoder_2"],
        t5_tokenizer=_part(T5TokenizerFast, checkpoint.folder, "tokenizer_2"),
        schedule=dict(schedule),
        device=device,
        dtype=dtype,
    )


def _single_file(network: Network, device: torch.device, dtype: torch.dtype) -> Any:
    """A transformer from one file, whose own tensors say its sizes; raises WeightsUnavailable."""
    (file,) = network.files
    try:
        with safe_open(str(file), framework="pt", device="cpu") as opened:
            tensors = bfl.converted({name: opened.get_tensor(name) for name in opened.keys()})  # noqa: SIM118
        settings = bfl.settings_of(tensors, _settings_beside(network))
        with torch.device("meta"):
            transformer = FluxTransformer2DModel(**settings)
        # Copied before the file is closed, and so that parts of one tensor do not keep the whole.
        own = {name: torch.empty(one.shape, dtype=dtype, device=device).copy_(one) for name, one in tensors.items()}
        transformer.load_state_dict(own, assign=True)
    except (OSError, RuntimeError, SafetensorError, bfl.UnknownName) as error:
        raise WeightsUnavailable(f"{file} is not a FLUX.1 transformer: {error}.") from error
    return transformer


def _settings_beside(network: Network) -> Mapping[str, Any]:
    path = network.folder / "config.json"
    return FluxTransformer2DModel.load_config(str(path)) if path.is_file() else {}


def _part(kind: Any, folder: Path, part: str, **how: Any) -> Any:
    try:
        return kind.from_pretrained(str(folder), subfolder=part, local_files_only=True, **how)
    except (OSError, ValueError, KeyError, TypeError, RuntimeError, SafetensorError) as error:
        raise WeightsUnavailable(f"{folder / part} could not be loaded: {error}") from error

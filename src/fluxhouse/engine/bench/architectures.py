"""FLUX.1 architectures with random weights, made on the device and never on disk, and prompts as random embeddings."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from diffusers import AutoencoderKL, FlowMatchEulerDiscreteScheduler, FluxTransformer2DModel

from fluxhouse.engine.prompt import Prompt, PromptEncoder
from fluxhouse.engine.weights import Weights

_SEED = 20


@dataclass(frozen=True, slots=True)
class Architecture:
    """Sizes of a transformer and its VAE; `unit` is the side of the smallest picture of a stream, in pixels.

    `size` and `steps` are those of one request on its own.
    """

    name: str
    heads: int
    axes: tuple[int, int, int]
    doubles: int
    singles: int
    text_width: int
    pooled_width: int
    text_tokens: int
    vae_channels: tuple[int, ...]
    guided: bool
    unit: int
    size: int
    steps: int
    groups: int = field(default=8)

    def build(self, device: torch.device, dtype: torch.dtype) -> Weights:
        """Weights of PyTorch's own initialisation, the same on every call."""
        before = torch.get_default_dtype()
        with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
            torch.manual_seed(_SEED)
            torch.set_default_dtype(dtype)
            try:
                with device:
                    transformer, vae = self._transformer(), self._vae()
            finally:
                torch.set_default_dtype(before)
        scheduler = FlowMatchEulerDiscreteScheduler(shift=3.0 if self.guided else 1.0, use_dynamic_shifting=self.guided)
        return Weights(
            transformer=transformer.eval().requires_grad_(False),
            vae=vae.eval().requires_grad_(False),
            clip=None,
            clip_tokenizer=None,
            t5=None,
            t5_tokenizer=None,
            schedule=dict(scheduler.config),
            device=device,
            dtype=dtype,
        )

    def _transformer(self) -> Any:
        return FluxTransformer2DModel(
            in_channels=64,
            num_layers=self.doubles,
            num_single_layers=self.singles,
            attention_head_dim=sum(self.axes),
            num_attention_heads=self.heads,
            joint_attention_dim=self.text_width,
            pooled_projection_dim=self.pooled_width,
            guidance_embeds=self.guided,
            axes_dims_rope=self.axes,
        )

    def _vae(self) -> Any:
        blocks = len(self.vae_channels)
        return AutoencoderKL(
            down_block_types=("DownEncoderBlock2D",) * blocks,
            up_block_types=("UpDecoderBlock2D",) * blocks,
            block_out_channels=self.vae_channels,
            layers_per_block=2 if self.groups == 32 else 1,
            latent_channels=16,
            norm_num_groups=self.groups,
            scaling_factor=0.3611,
            shift_factor=0.1159,
            use_quant_conv=False,
            use_post_quant_conv=False,
        )


_FULL_VAE = (128, 256, 512, 512)
ARCHITECTURES = {
    one.name: one
    for one in (
        Architecture("tiny", 2, (8, 12, 12), 1, 2, 64, 64, 16, (8, 8, 8, 8), True, unit=64, size=64, steps=3),
        Architecture("small", 4, (16, 24, 24), 2, 4, 256, 128, 64, (8, 8, 16, 16), True, unit=128, size=256, steps=8),
        Architecture("dev", 24, (16, 56, 56), 19, 38, 4096, 768, 512, _FULL_VAE, True, 256, 1024, 28, 32),
        Architecture("schnell", 24, (16, 56, 56), 19, 38, 4096, 768, 256, _FULL_VAE, False, 256, 1024, 4, 32),
    )
}
"""`dev` and `schnell` are FLUX.1's own sizes, 11.9 B parameters; `small` has 9 M and `tiny` is for tests."""


class RandomPrompts(PromptEncoder):
    """Each prompt's embeddings drawn by its own words, so that no text encoder has part in what is measured."""

    def __init__(self, architecture: Architecture) -> None:
        super().__init__()
        self._architecture = architecture

    def prove(self, _weights: Weights, _max_tokens: int) -> tuple[int, ...]:
        return ()

    def encode_all(self, weights: Weights, prompts: Sequence[str], max_tokens: int) -> list[Prompt]:
        return [self._draw(weights, prompt, max_tokens) for prompt in prompts]

    def _draw(self, weights: Weights, prompt: str, length: int) -> Prompt:
        seed = int.from_bytes(hashlib.sha256(prompt.encode()).digest()[:4])
        generator = torch.Generator("cpu").manual_seed(seed)

        def drawn(*shape: int) -> torch.Tensor:
            return torch.randn(shape, generator=generator).to(weights.device, weights.dtype)

        tokens, pooled = drawn(1, length, self._architecture.text_width), drawn(1, self._architecture.pooled_width)
        return Prompt(tokens, pooled, torch.zeros(length, 3, device=weights.device, dtype=weights.dtype))


class Resident:
    """One model that is in memory and stays there."""

    def __init__(self, weights: Weights) -> None:
        self._weights = weights

    def __contains__(self, _model: str) -> bool:
        return True

    def grid(self, _model: str) -> int:
        return self._weights.grid

    def fits(self, _model: str, _in_use: Collection[str]) -> bool:
        return True

    def take(self, _model: str, _in_use: Collection[str] = ()) -> Weights:
        return self._weights

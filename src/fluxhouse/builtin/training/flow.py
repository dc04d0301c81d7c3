"""Flow matching over a FLUX model's parts: what a batch is made of, its loss, and how pictures come out again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from fluxhouse.builtin.training.parts import Parts

Size = tuple[int, int]
"""Rows and columns of latents."""


@dataclass(frozen=True, slots=True)
class Words:
    """Token ids of captions: `clip` [n, 77] and `t5` [n, t]."""

    clip: Tensor
    t5: Tensor


@dataclass(frozen=True, slots=True)
class Conditions:
    """What a picture depends on beside its noise: `pooled` [n, p], `tokens` [n, t, d], `guidance` [n], and for edits
    the packed latents [n, m, 4c] of what is edited."""

    pooled: Tensor
    tokens: Tensor
    guidance: Tensor
    reference: Tensor | None = None


def spell(parts: Parts, captions: Sequence[str], twins: Tensor | None = None) -> Words:
    """The captions' token ids, padded as the pipelines pad them; `twins` makes one of capitals and small letters."""
    clip, t5 = (
        parts[name](
            list(captions), padding="max_length", max_length=length, truncation=True, return_tensors="pt"
        ).input_ids
        for name, length in (
            ("tokenizer", parts["tokenizer"].model_max_length),
            ("tokenizer_2", parts["tokenizer_2"].model_max_length),
        )
    )
    if twins is not None:
        t5 = twins[t5]
    return Words(clip, t5)


def read(parts: Parts, words: Words, guidance: Tensor, reference: Tensor | None = None) -> Conditions:
    """What both text encoders make of the words."""
    pooled = parts["text_encoder"](words.clip.to(parts.device)).pooler_output
    tokens = parts["text_encoder_2"](words.t5.to(parts.device))[0]
    return Conditions(pooled, tokens, guidance, reference)


def pack(latents: Tensor) -> Tensor:
    """[n, c, h, w] -> [n, h/2 * w/2, 4c]: a token holds two by two latents."""
    return functional.pixel_unshuffle(latents, 2).flatten(2).transpose(1, 2)


def unpack(tokens: Tensor, size: Size) -> Tensor:
    """The reverse of `pack`."""
    tiles = tokens.transpose(1, 2).reshape(*tokens.shape[::2], size[0] // 2, size[1] // 2)
    return functional.pixel_shuffle(tiles, 2)


def velocity(parts: Parts, noisy: Tensor, sigma: Tensor, conditions: Conditions, size: Size) -> Tensor:
    """What the transformer sees in packed latents [n, m, 4c] at noise levels `sigma` [n]: noise minus picture."""
    seen, places = noisy, _positions(size, 0)
    if conditions.reference is not None:
        seen = torch.cat([noisy, conditions.reference], dim=1)
        places = torch.cat([places, _positions(size, 1)])
    found: Tensor = parts["transformer"](
        hidden_states=seen,
        timestep=sigma,
        guidance=conditions.guidance,
        pooled_projections=conditions.pooled,
        encoder_hidden_states=conditions.tokens,
        txt_ids=torch.zeros(conditions.tokens.shape[1], 3, device=parts.device),
        img_ids=places.to(parts.device),
        return_dict=False,
    )[0]
    return found[:, : noisy.shape[1]]


def _positions(size: Size, frame: int) -> Tensor:
    rows, columns = torch.meshgrid(torch.arange(size[0] // 2), torch.arange(size[1] // 2), indexing="ij")
    return torch.stack([torch.full_like(rows, frame), rows, columns], dim=-1).reshape(-1, 3).float()


def shift(parts: Parts, tokens: int) -> float:
    """The schedule's shift for a picture of so many tokens, as `FluxPipeline` computes it."""
    settings = parts["scheduler"].config
    slope = (settings.max_shift - settings.base_shift) / (settings.max_image_seq_len - settings.base_image_seq_len)
    return float(settings.base_shift + slope * (tokens - settings.base_image_seq_len))


def draw_sigmas(parts: Parts, count: int, tokens: int, generator: torch.Generator) -> Tensor:
    """Noise levels [count] to train at: logit-normal, shifted like the schedule of inference."""
    return torch.sigmoid(torch.randn(count, generator=generator) + shift(parts, tokens))


def noisy_at(clean: Tensor, noise: Tensor, sigma: Tensor) -> Tensor:
    """Packed latents on the straight way from picture (0) to noise (1)."""
    share = sigma[:, None, None]
    return (1 - share) * clean + share * noise


@torch.no_grad()
def sample(
    parts: Parts,
    captions: Sequence[str],
    size: Size,
    steps: int,
    guidance: float,
    seed: int,
    before: Tensor | None = None,
) -> Tensor:
    """Scaled latents [n, c, h, w] made of noise, by the Euler steps of inference; `before` [n, c, h, w] is edited."""
    generator = torch.Generator().manual_seed(seed)
    channels = parts["transformer"].config.in_channels // 4
    latents = pack(torch.randn(len(captions), channels, *size, generator=generator)).to(parts.device)
    strength = torch.full((len(captions),), guidance, device=parts.device)
    conditions = read(parts, spell(parts, captions), strength, None if before is None else pack(before))
    scheduler = parts["scheduler"]
    scheduler.set_timesteps(sigmas=np.linspace(1.0, 1 / steps, steps), mu=shift(parts, latents.shape[1]))
    for sigma, following in zip(scheduler.sigmas[:-1], scheduler.sigmas[1:], strict=True):
        at = sigma.to(parts.device).expand(len(captions))
        latents = latents + (following - sigma) * velocity(parts, latents, at, conditions, size)
    return unpack(latents, size)

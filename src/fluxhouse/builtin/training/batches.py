"""What one update of the transformer sees: encoded pictures in new words, noise, noise levels and guidance."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from fluxhouse.builtin.captions import caption
from fluxhouse.builtin.painter.scene import from_json
from fluxhouse.builtin.training import flow, latents
from fluxhouse.builtin.training.flow import Size, Words
from fluxhouse.builtin.training.latents import Shard
from fluxhouse.builtin.training.options import Options
from fluxhouse.builtin.training.parts import Parts

UNCAPTIONED = 0.1
"""Share of pictures learnt without their words, so that guidance has something to push away from."""

GUIDANCE = (1.0, 6.0)
"""Least and most guidance that the model is trained for."""


@dataclass(frozen=True, slots=True)
class Batch:
    """`clean` and `noise` [n, m, 4c] are packed, `reference` is what edits start from, `size` counts latents."""

    clean: Tensor
    noise: Tensor
    reference: Tensor | None
    sigma: Tensor
    guidance: Tensor
    words: Words
    size: Size

    def __len__(self) -> int:
        return len(self.clean)

    def to(self, device: torch.device) -> Batch:
        """The same on the device; words stay, as they are read there anyway."""
        return replace(
            self,
            clean=self.clean.to(device),
            noise=self.noise.to(device),
            reference=None if self.reference is None else self.reference.to(device),
            sigma=self.sigma.to(device),
            guidance=self.guidance.to(device),
        )


def draw(
    parts: Parts, shards: Sequence[Shard], rng: np.random.Generator, options: Options, same: Tensor, uncaptioned: float
) -> Batch:
    """A batch of usual pictures, or of fewer larger ones, all of one shard."""
    shard = shards[int(rng.integers(len(shards)))]
    chosen = latents.batch(shard, rng, max(1, options.batch * options.tokens(parts.grid) // shard.tokens))
    count = len(chosen.latents)
    generator = torch.Generator().manual_seed(int(rng.integers(2**62)))
    clean = flow.pack(chosen.latents)
    least, most = GUIDANCE
    return Batch(
        clean=clean,
        noise=torch.randn(clean.shape, generator=generator),
        reference=None if chosen.before is None else flow.pack(chosen.before),
        sigma=flow.draw_sigmas(parts, count, chosen.tokens, generator),
        guidance=torch.rand(count, generator=generator) * (most - least) + least,
        words=flow.spell(parts, captions_of(chosen, rng, uncaptioned), same),
        size=(chosen.latents.shape[2], chosen.latents.shape[3]),
    )


def captions_of(shard: Shard, rng: np.random.Generator, uncaptioned: float) -> list[str]:
    """New words for what each picture shows: an edit's instruction stands, a scene is described afresh."""
    captions = [shown if isinstance(shown, str) else caption(from_json(shown), rng) for shown in shard.shown]
    return ["" if rng.random() < uncaptioned else words for words in captions]

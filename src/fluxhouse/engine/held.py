"""The tensors of one trajectory on its way: what its segments read at a step, and how their velocities move it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch

from fluxhouse.engine import sampling
from fluxhouse.engine.admission import Beginning
from fluxhouse.engine.conditioning import Conditioning
from fluxhouse.engine.firstblock import FirstBlock
from fluxhouse.engine.transformer import Segment


@dataclass(slots=True, eq=False)
class Held:
    """Latents [1, n, 4c], and a conditioning and memory for each segment: that of the prompt, then of the negative."""

    beginning: Beginning
    latents: torch.Tensor
    conditionings: tuple[Conditioning, ...]
    memories: tuple[FirstBlock | None, ...]
    velocity: torch.Tensor | None = None

    def segments(self, step: int) -> list[Segment]:
        """What its forward at `step` of the schedule reads."""
        beginning = self.beginning
        seen = self.latents if beginning.condition is None else torch.cat([self.latents, beginning.condition], dim=2)
        if beginning.references is not None:
            seen = torch.cat([seen, beginning.references], dim=1)
        pairs = zip(self.conditionings, self.memories, strict=True)
        return [Segment(seen[0], conditioning, step, memory) for conditioning, memory in pairs]

    def advance(self, velocities: Sequence[torch.Tensor], step: int, true_guidance: float) -> None:
        """Move from `step` to the next by the velocities of its segments, as diffusers rounds it."""
        towards, *away = (velocity[None, : self.latents.shape[1]] for velocity in velocities)
        self.velocity = away[0] + true_guidance * (towards - away[0]) if away else towards
        sigma, following = self.beginning.sigmas[step], self.beginning.sigmas[step + 1]
        self.latents = sampling.euler_step(self.latents, self.velocity, sigma, following)
        if self.beginning.blend is not None:
            self.latents = self.beginning.blend.after(self.latents, following)

    def heading(self, step: int) -> torch.Tensor:
        """The latents in which the last velocity, from `step` of the schedule on, would end."""
        assert self.velocity is not None
        sigma = self.beginning.sigmas[step]
        return self.latents - sigma.to(self.latents.dtype) * self.velocity

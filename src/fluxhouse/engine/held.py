"""The tensors of one trajectory on its way: what its segments read at a step, and how their velocities move it."""

from __future__ import annotations

from collections.abc import Sequence
from copy import copy
from dataclasses import dataclass

import torch

from fluxhouse.engine import sampling
from fluxhouse.engine.admission import Beginning
from fluxhouse.engine.conditioning import Conditioning
from fluxhouse.engine.firstblock import FirstBlock
from fluxhouse.engine.transformer import Segment


@dataclass(frozen=True, slots=True, eq=False)
class Move:
    """What a step that went well changes of a trajectory: `velocity` and `latents` [1, n, 4c], and the memories."""

    velocity: torch.Tensor
    latents: torch.Tensor
    memories: tuple[FirstBlock | None, ...]


@dataclass(slots=True, eq=False)
class Held:
    """Latents [1, n, 4c], and a conditioning and memory for each segment: that of the prompt, then of the negative."""

    beginning: Beginning
    latents: torch.Tensor
    conditionings: tuple[Conditioning, ...]
    memories: tuple[FirstBlock | None, ...]
    velocity: torch.Tensor | None = None

    def segments(self, step: int) -> list[Segment]:
        """What its forward at `step` of the schedule reads. It writes to copies of the memories: it may yet fail."""
        beginning = self.beginning
        seen = self.latents if beginning.condition is None else torch.cat([self.latents, beginning.condition], dim=2)
        if beginning.references is not None:
            seen = torch.cat([seen, beginning.references], dim=1)
        pairs = zip(self.conditionings, self.memories, strict=True)
        return [Segment(seen[0], conditioning, step, copy(memory)) for conditioning, memory in pairs]

    def moved(self, segments: Sequence[Segment], velocities: Sequence[torch.Tensor], true_guidance: float) -> Move:
        """The move by the velocities of its segments to the next step, as diffusers rounds it."""
        towards, *away = (velocity[None, : self.latents.shape[1]] for velocity in velocities)
        velocity = away[0] + true_guidance * (towards - away[0]) if away else towards
        step = segments[0].step
        sigma, following = self.beginning.sigmas[step], self.beginning.sigmas[step + 1]
        latents = sampling.euler_step(self.latents, velocity, sigma, following)
        if self.beginning.blend is not None:
            latents = self.beginning.blend.after(latents, following)
        return Move(velocity, latents, tuple(segment.memory for segment in segments))

    def take(self, move: Move) -> None:
        """Be where the move leads."""
        self.velocity, self.latents, self.memories = move.velocity, move.latents, move.memories

    def heading(self, step: int) -> torch.Tensor:
        """The latents in which the last velocity, from `step` of the schedule on, would end."""
        assert self.velocity is not None
        sigma = self.beginning.sigmas[step]
        return self.latents - sigma.to(self.latents.dtype) * self.velocity

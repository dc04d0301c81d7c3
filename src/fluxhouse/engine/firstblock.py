"""The first-block cache: where a step's first block changes little, what the other blocks add is taken from before.

Decided for each trajectory by itself inside a pack, as diffusers' FirstBlockCache decides for a batch. Lossy.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch


class FirstBlock:
    """What one trajectory remembers of the last step that went through all blocks; picture tokens [n, d]."""

    def __init__(self, threshold: float) -> None:
        self._threshold = threshold
        self._head: torch.Tensor | None = None
        self._tail: torch.Tensor | None = None

    def change(self, head: torch.Tensor) -> torch.Tensor:
        """How much the first block's residual differs from the remembered one, relative to it; infinite at first."""
        if self._head is None:
            return torch.full([], float("inf"), device=head.device)
        return ((head - self._head).abs().mean() / self._head.abs().mean()).float()

    def allows(self, change: float) -> bool:
        """Whether the other blocks may be skipped."""
        return change <= self._threshold

    def remember(self, head: torch.Tensor, tail: torch.Tensor) -> None:
        """Keep the residuals of the first block and of all others of a whole step."""
        self._head, self._tail = head, tail

    def skip(self, tokens: torch.Tensor) -> torch.Tensor:
        """The first block's tokens as all the others would have left them."""
        assert self._tail is not None
        return tokens + self._tail


def skippers(memories: Sequence[FirstBlock | None], heads: Sequence[torch.Tensor]) -> list[bool]:
    """Which trajectories may skip, all decisions fetched from the device at once."""
    asked = [number for number, memory in enumerate(memories) if memory is not None]
    if not asked:
        return [False] * len(memories)
    changes = torch.stack([memory.change(heads[n]) for n in asked if (memory := memories[n]) is not None]).tolist()
    by_number = dict(zip(asked, changes, strict=True))
    return [memory is not None and memory.allows(by_number[number]) for number, memory in enumerate(memories)]

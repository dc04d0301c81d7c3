"""What a training run is told: where, how long, how much at once, on which device."""

from __future__ import annotations

import math
import time
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path

import torch

from fluxhouse.builtin.painter.sampling import Stage
from fluxhouse.builtin.training.sizes import ModelSize


@dataclass(frozen=True, slots=True)
class Options:
    """One call. It ends early at `until`, a moment of `time.monotonic()`; `updates` counts those of all calls together.

    `batch` counts usual pictures, whose sides are `pixels`. `shards` files of two batches each are stored encoded;
    `edits` is the share of edits among them. `painters` 0 paints in this process. `half` computes in bfloat16 where it
    is safe.
    """

    out: Path
    size: ModelSize
    updates: int
    until: float = math.inf
    device: torch.device = field(default_factory=lambda: torch.device("cpu"))
    batch: int = 32
    pixels: int = 512
    rate: float | None = None
    stage: Stage = Stage.FULL
    seed: int = 0
    painters: int = 1
    shards: int = 200
    edits: float = 0.0
    show_every: int = 500
    half: bool = True

    @property
    def over(self) -> bool:
        """Whether this call's time is up."""
        return time.monotonic() >= self.until

    def tokens(self, grid: int) -> int:
        """Tokens of a usual picture, for a model whose tokens are `grid` pixels wide."""
        return (self.pixels // grid) ** 2

    def autocast(self) -> AbstractContextManager[None]:
        return torch.autocast(self.device.type, torch.bfloat16, enabled=self.half)

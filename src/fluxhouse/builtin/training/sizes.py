"""How large each part of the built-in model is: one size for tests, one for two processor cores, one for a GPU."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ModelSize:
    """Widths and depths of one size.

    `encoder` and `decoder` count the residual blocks at each level, `channels` wide; between two levels the picture
    is halved, and so it is at `outer` more levels around them. A latent has `latents` channels. The transformer has
    `double` and `single` blocks of `heads` heads, whose dimensions turn with frame, row and column as `axes` says.
    `text` is the width of both text encoders.
    """

    encoder: tuple[int, ...]
    decoder: tuple[int, ...]
    outer: int
    channels: int
    latents: int
    double: int
    single: int
    heads: int
    axes: tuple[int, int, int]
    text: int
    t5_layers: int
    clip_layers: int

    @property
    def pixels_per_latent(self) -> int:
        return int(2 ** (len(self.decoder) - 1 + self.outer))

    @property
    def grid(self) -> int:
        """Pixels of one token's side."""
        return 2 * self.pixels_per_latent


SIZES = {
    "tiny": ModelSize(
        encoder=(0, 1), decoder=(1, 0), outer=1, channels=12, latents=4,
        double=1, single=1, heads=2, axes=(4, 6, 6), text=32, t5_layers=1, clip_layers=1,
    ),
    "small": ModelSize(
        encoder=(0, 1, 1, 2), decoder=(3, 3, 2, 1), outer=2, channels=32, latents=16,
        double=2, single=4, heads=5, axes=(8, 12, 12), text=128, t5_layers=3, clip_layers=2,
    ),
    "large": ModelSize(
        encoder=(0, 1, 1, 2), decoder=(4, 4, 3, 1), outer=2, channels=48, latents=16,
        double=2, single=8, heads=8, axes=(8, 12, 12), text=192, t5_layers=4, clip_layers=3,
    ),
}  # fmt: skip
"""Both trained sizes have 32 pixels a latent; `small` (5 M) trains on one or two cores, `large` (16 M) on a GPU."""

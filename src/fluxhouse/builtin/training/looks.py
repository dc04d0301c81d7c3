"""Looks that LoRAs learn: how a painted picture would look in another art, as a change of its pixels."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter

Pixels = NDArray[np.uint8]
_CELLS = 32
"""Pixels of pixel art along the shorter side."""

_INK = (38, 36, 52)
_PAPER = (242, 228, 200)
_WOODBLOCK = (
    _INK, _PAPER, (24, 58, 106), (58, 104, 150), (126, 164, 180), (188, 204, 196), (84, 116, 88), (140, 154, 98),
    (196, 74, 52), (226, 138, 84), (240, 190, 130), (118, 86, 66), (176, 146, 112), (96, 88, 108),
)  # fmt: skip
"""The pigments of a woodblock print."""


def pixel_art(pixels: Pixels) -> Pixels:
    """Coarse squares of few colours."""
    picture = Image.fromarray(pixels)
    shrink = min(picture.size) / _CELLS
    small = picture.resize((round(picture.width / shrink), round(picture.height / shrink)), Image.Resampling.BOX)
    few = small.quantize(12, Image.Quantize.MEDIANCUT, dither=Image.Dither.NONE).convert("RGB")
    return np.array(few.resize(picture.size, Image.Resampling.NEAREST), np.uint8)


def ukiyo_e(pixels: Pixels) -> Pixels:
    """A woodblock print: flat pigments, inked outlines, paper that shows through."""
    picture = Image.fromarray(pixels)
    reach = max(3, min(picture.size) // 64 | 1)
    flat = picture.filter(ImageFilter.MedianFilter(reach)).filter(ImageFilter.GaussianBlur(reach / 4))
    palette = Image.new("P", (1, 1))
    palette.putpalette([value for pigment in _WOODBLOCK for value in pigment])
    printed = np.asarray(flat.quantize(palette=palette, dither=Image.Dither.NONE).convert("RGB"), np.float32)
    grey = np.asarray(flat.convert("L"), np.float32)
    down, across = np.gradient(grey)
    line = np.clip(np.hypot(down, across) / 14 - 0.35, 0, 1)[..., None]
    inked = printed + (np.asarray(_INK, np.float32) - printed) * line
    aged = inked * 0.92 + np.asarray(_PAPER, np.float32) * 0.08
    printed_on: Pixels = np.clip(aged, 0, 255).astype(np.uint8)
    return printed_on


LOOKS: dict[str, Callable[[Pixels], Pixels]] = {"pixel-art": pixel_art, "ukiyo-e": ukiyo_e}

"""Turns a painted canvas into its style: watercolour on paper, film noir, pixel art, poster, pastel, synthwave."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from fluxhouse.builtin.painter.canvas import Canvas, Field, mix, paint_of, smooth
from fluxhouse.builtin.painter.noise import field, generator
from fluxhouse.builtin.painter.scene import Style

PAPER = paint_of(246, 241, 228)
_RED = paint_of(216, 38, 32)
_INK = paint_of(28, 26, 30)


def finish(canvas: Canvas, style: Style, seed: int) -> None:
    """Apply the style to what is painted."""
    _FINISHES[style](canvas, seed)


def _photo(canvas: Canvas, seed: int) -> None:
    planes = canvas.planes
    np.clip(planes, 0, 1, out=planes)
    planes *= 1 - np.float32(0.16) * _corner(canvas)


def _corner(canvas: Canvas) -> Field:
    """0 in the middle, 1 in the corners."""
    across, down = canvas.x / np.float32(canvas.width) * 2 - 1, canvas.y / np.float32(canvas.height) * 2 - 1
    return ((across**2 + down**2) / 2) ** 1.5


def _watercolor(canvas: Canvas, seed: int) -> None:
    """Pale washes that gather at their edges, on paper that stays white around the rim."""
    planes = np.clip(canvas.planes, 0, 1)
    wash = field(generator(seed, "wash"), canvas, 3.5, 3.5, 3, 0.6)
    bleed = ((wash - 0.5) * 0.035 * canvas.unit).astype(np.float32)
    rows = np.clip(canvas.y + bleed, 0, canvas.height - 1).astype(np.int32)
    columns = np.clip(canvas.x - bleed, 0, canvas.width - 1).astype(np.int32)
    planes = planes[:, rows, columns]
    levels = planes * 6
    planes = mix(planes, (np.floor(levels) + smooth(levels - np.floor(levels), 0.3, 0.7)) / 6, 0.6)
    planes = mix(planes, PAPER, np.float32(0.2) + np.float32(0.34) * np.clip(wash - 0.35, 0, 1))
    across = np.minimum(canvas.x, canvas.width - canvas.x) / np.float32(canvas.unit)
    down = np.minimum(canvas.y, canvas.height - canvas.y) / np.float32(canvas.unit)
    rim = smooth(np.minimum(across, down) + (wash - 0.5) * 0.11, 0.035, 0.055)
    edge = np.exp(-(((np.minimum(across, down) + (wash - 0.5) * 0.11 - 0.062) / 0.014) ** 2)) * 0.14
    canvas.planes[:] = mix(PAPER, planes * (1 - edge), rim)


def _noir(canvas: Canvas, seed: int) -> None:
    """Black and white with deep blacks, bright lights and dark corners."""
    grey = np.tensordot(np.array((0.36, 0.5, 0.14), np.float32), np.clip(canvas.planes, 0, 1), 1)
    low, high = np.quantile(grey[::4, ::4], (0.04, 0.985))
    grey = np.clip((grey - low) / max(float(high - low), 0.12), 0, 1)
    grey = smooth(grey, -0.06, 1.02) * (1 - np.float32(0.62) * _corner(canvas))
    canvas.planes[:] = grey


def _pixel(canvas: Canvas, seed: int) -> None:
    """Square blocks of few tones."""
    block = max(round(canvas.unit / 48), 1)
    rows = (np.arange(canvas.height) // block * block + block // 2).clip(0, canvas.height - 1)
    columns = (np.arange(canvas.width) // block * block + block // 2).clip(0, canvas.width - 1)
    few = np.clip(canvas.planes[:, rows[::block]][:, :, columns[::block]], 0, 1)
    vivid = mix(few.mean(0), few, 1.25)
    few = np.clip(np.round(vivid * 6) / 6, 0, 1)
    canvas.planes[:] = few[:, np.arange(canvas.height) // block][:, :, np.arange(canvas.width) // block]


def _synthwave(canvas: Canvas, seed: int) -> None:
    planes = canvas.planes
    np.clip(planes, 0, 1, out=planes)


def _poster(canvas: Canvas, seed: int) -> None:
    """Flat ink on off-white paper: a margin, a red bar and rows of set type at the foot."""
    planes = canvas.planes
    np.clip(planes, 0, 1, out=planes)
    margin, foot = 0.06 * canvas.unit, 0.2 * canvas.unit
    across = np.minimum(canvas.x, canvas.width - canvas.x)
    inside = np.clip(across - margin + 0.5, 0, 1) * np.clip(
        np.minimum(canvas.y - margin, canvas.height - foot - canvas.y) + 0.5, 0, 1
    )
    planes[:] = mix(PAPER, planes, inside.astype(np.float32))
    rows = np.array((0.16, 0.1, 0.065)) * canvas.unit
    for at, tall, share, paint in zip(rows, (0.034, 0.014, 0.014), (0.42, 0.62, 0.5), (_RED, _INK, _INK), strict=True):
        top = canvas.height - at
        bar = np.clip(np.minimum(canvas.y - top, top + tall * canvas.unit - canvas.y) + 0.5, 0, 1) * np.clip(
            np.minimum(canvas.x - margin, margin + share * (canvas.width - 2 * margin) - canvas.x) + 0.5, 0, 1
        )
        canvas.lay(bar.astype(np.float32), paint)


def _pastel(canvas: Canvas, seed: int) -> None:
    """Chalk: light, milky colours with a soft grain."""
    planes = np.clip(canvas.planes, 0, 1)
    milky = mix(planes.mean(0), planes, 0.78) * 0.5 + 0.47
    chalk = field(generator(seed, "chalk"), canvas, 9, 12, 2, 0.7) - np.float32(0.5)
    warm = np.array((1.02, 0.995, 1.01), np.float32).reshape(3, 1, 1)
    canvas.planes[:] = np.clip(milky * warm + np.float32(0.09) * chalk, 0, 1)


_FINISHES: dict[Style, Callable[[Canvas, int], None]] = {
    Style.PHOTO: _photo,
    Style.WATERCOLOR: _watercolor,
    Style.NOIR: _noir,
    Style.PIXEL: _pixel,
    Style.SYNTHWAVE: _synthwave,
    Style.POSTER: _poster,
    Style.PASTEL: _pastel,
}

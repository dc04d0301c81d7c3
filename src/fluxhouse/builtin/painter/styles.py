"""Turns a painted canvas into its style: watercolour on paper, film noir, pixel art, poster, pastel."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from fluxhouse.builtin.painter.canvas import Canvas, Field, Paint, blank, mix, paint_of, smooth
from fluxhouse.builtin.painter.noise import field, generator
from fluxhouse.builtin.painter.scene import Style

PAPER = paint_of(246, 241, 228)
_RED = paint_of(216, 38, 32)
_INK = paint_of(28, 26, 30)
_GREY = np.array((0.36, 0.5, 0.14), np.float32)
_MARGIN, _FOOT = 0.06, 0.2
"""A poster's paper around its picture, and below it, as shares of the shorter side."""


def canvas_for(style: Style, width: int, height: int) -> Canvas:
    """The canvas to paint on so that the finished picture has this size: a poster's is smaller than its paper."""
    if style is not Style.POSTER:
        return blank(width, height)
    unit = min(width, height)
    across, down = round(width - 2 * _MARGIN * unit), round(height - (_MARGIN + _FOOT) * unit)
    return blank(max(across, 1), max(down, 1))


def finish(canvas: Canvas, style: Style, seed: int, width: int, height: int) -> Paint:
    """The finished planes [3, height, width] of what is painted."""
    np.clip(canvas.planes, 0, 1, out=canvas.planes)
    if style is Style.POSTER:
        return _poster(canvas, width, height)
    return _FINISHES[style](canvas, seed)


def _photo(canvas: Canvas, _: int) -> Paint:
    """A little darker towards the corners."""
    canvas.planes[:] *= 1 - np.float32(0.16) * _corner(canvas)
    return canvas.planes


def _corner(canvas: Canvas) -> Field:
    """0 in the middle, 1 in the corners."""
    across, down = canvas.x / np.float32(canvas.width) * 2 - 1, canvas.y / np.float32(canvas.height) * 2 - 1
    away = (across**2 + down**2) / 2
    return away * np.sqrt(away)


def _watercolor(canvas: Canvas, seed: int) -> Paint:
    """Pale washes that gather at their edges, on paper that stays white around the rim."""
    wash = field(generator(seed, "wash"), canvas, 3.5, 3.5, 3, 0.6) - np.float32(0.5)
    bleed = wash * np.float32(0.035 * canvas.unit)
    rows = np.clip(canvas.y + bleed, 0, canvas.height - 1).astype(np.int32)
    columns = np.clip(canvas.x - bleed, 0, canvas.width - 1).astype(np.int32)
    washed = canvas.planes[:, rows, columns]
    planes = mix(washed, np.sqrt(washed), 0.45)
    levels = planes * 6
    steps = np.floor(levels)
    planes = mix(planes, (steps + smooth(levels - steps, 0.3, 0.7)) / 6, 0.6)
    planes = mix(planes, PAPER, np.float32(0.16) + np.float32(0.34) * np.clip(wash + np.float32(0.15), 0, 1))
    across = np.minimum(canvas.x, canvas.width - canvas.x) / np.float32(canvas.unit)
    down = np.minimum(canvas.y, canvas.height - canvas.y) / np.float32(canvas.unit)
    rim = np.minimum(across, down) + wash * np.float32(0.11)
    gathered = np.exp(-(((rim - np.float32(0.062)) / np.float32(0.014)) ** 2)) * np.float32(0.14)
    return mix(PAPER, planes * (1 - gathered), smooth(rim, 0.035, 0.055))


def _noir(canvas: Canvas, _: int) -> Paint:
    """Black and white with deep blacks, bright lights and dark corners."""
    grey = np.tensordot(_GREY, canvas.planes, 1)
    low, high = np.quantile(grey[::4, ::4], (0.04, 0.985))
    grey = np.clip((grey - np.float32(low)) / np.float32(max(high - low, 0.12)), 0, 1)
    grey = smooth(grey, -0.06, 1.02) * (1 - np.float32(0.62) * _corner(canvas))
    return np.broadcast_to(grey, canvas.planes.shape)


def _pixel(canvas: Canvas, _: int) -> Paint:
    """Square blocks of few tones."""
    block = max(round(canvas.unit / 48), 1)
    rows = (np.arange(0, canvas.height, block) + block // 2).clip(0, canvas.height - 1)
    columns = (np.arange(0, canvas.width, block) + block // 2).clip(0, canvas.width - 1)
    few = canvas.planes[:, rows][:, :, columns]
    vivid = mix(few.mean(0), few, 1.2)
    few = np.clip(np.round(vivid * 8) / 8, 0, 1)
    return few[:, np.arange(canvas.height) // block][:, :, np.arange(canvas.width) // block]


def _synthwave(canvas: Canvas, _: int) -> Paint:
    """As it is: its light is neon already."""
    return canvas.planes


def _poster(inner: Canvas, width: int, height: int) -> Paint:
    """Flat ink on off-white paper, with a red bar and rows of set type below it."""
    paper = blank(width, height)
    paper.planes[:] = PAPER
    margin = round(_MARGIN * paper.unit)
    paper.planes[:, margin : margin + inner.height, margin : margin + inner.width] = inner.planes
    rows = ((0.16, 0.034, 0.42, _RED), (0.1, 0.014, 0.62, _INK), (0.065, 0.014, 0.5, _INK))
    for foot, tall, share, paint in rows:
        top = height - foot * paper.unit
        down = np.minimum(paper.y - top, top + tall * paper.unit - paper.y)
        across = np.minimum(paper.x - margin, margin + share * inner.width - paper.x)
        paper.lay(np.clip(down + 0.5, 0, 1) * np.clip(across + 0.5, 0, 1), paint)
    return paper.planes


def _pastel(canvas: Canvas, seed: int) -> Paint:
    """Chalk: light, milky colours with a soft grain."""
    planes = canvas.planes ** np.float32(0.72)
    milky = mix(planes.mean(0), planes, 1.08) * np.float32(0.58) + np.float32(0.4)
    chalk = field(generator(seed, "chalk"), canvas, 9, 12, 2, 0.7) - np.float32(0.5)
    return milky + np.float32(0.1) * chalk


_FINISHES: dict[Style, Callable[[Canvas, int], Paint]] = {
    Style.PHOTO: _photo,
    Style.WATERCOLOR: _watercolor,
    Style.NOIR: _noir,
    Style.PIXEL: _pixel,
    Style.SYNTHWAVE: _synthwave,
    Style.PASTEL: _pastel,
}

"""Paints an island: a wooded hill out of the water, with a beach along its foot."""

from __future__ import annotations

import numpy as np

from fluxhouse.builtin.painter.canvas import Canvas, Field, paint_of, smooth
from fluxhouse.builtin.painter.light import Light
from fluxhouse.builtin.painter.noise import generator
from fluxhouse.builtin.painter.ridges import firs, peaks
from fluxhouse.builtin.painter.scene import Side, Style, Terrain
from fluxhouse.builtin.painter.terrain import HORIZON, Layer, lit, paint_layer

_WOOD = Layer(peaks, 0, 0.2, 0.05, paint_of(66, 120, 68), 0.07)
_SAND = paint_of(240, 212, 158)
_HALF = 0.46
"""Half the island's breadth, as a share of the picture's shorter side."""


def island_line(canvas: Canvas, seed: int) -> Field:
    """The row of the island's ridge for each column, under water to both sides of it."""
    places = (canvas.x - np.float32(canvas.width / 2)) / np.float32(canvas.unit)
    hills = 0.55 + 0.35 * peaks(generator(seed, "island"), places * np.float32(1.4))
    woods = 0.16 * firs(generator(seed, "woods"), places * np.float32(2.2))
    bulk = np.clip(1 - (places / np.float32(_HALF)) ** 2, 0, 1)
    height = (hills * bulk**0.8 + woods * smooth(bulk, 0.08, 0.4)) * np.float32(0.2 * canvas.reach)
    line: Field = np.float32((HORIZON[Terrain.ISLAND] + 0.02) * canvas.height) - height
    return line


def paint_island(canvas: Canvas, line: Field, light: Light, style: Style, side: Side) -> None:
    """Fill below the line down to where the water will be."""
    paint_layer(canvas, _WOOD, line, light, style, side)
    waterline = HORIZON[Terrain.ISLAND] * canvas.height
    top = int(waterline - 0.016 * canvas.reach)
    beach = smooth(canvas.y[top:], waterline - 0.016 * canvas.reach, waterline - 0.011 * canvas.reach)
    ashore = np.clip(canvas.y[top:] - line, 0, 1) * (line < waterline + 0.012 * canvas.height)
    canvas.lay(beach * ashore * np.float32(0.9), _SAND * lit(light, style), top)


def landing(canvas: Canvas, x: float) -> float:
    """The column nearest to `x` where a landmark can stand."""
    half = 0.5 * _HALF * canvas.unit
    return min(max(x, canvas.width / 2 - half), canvas.width / 2 + half)

"""Paints the lit windows of a skyline."""

from __future__ import annotations

import numpy as np

from fluxhouse.builtin.painter.canvas import Canvas, Field, paint_of
from fluxhouse.builtin.painter.light import Light
from fluxhouse.builtin.painter.noise import generator

_PANE = 0.022
"""Breadth of a window with its wall, as a share of the picture's shorter side."""


def paint_windows(canvas: Canvas, line: Field, light: Light, strength: float, seed: int, purpose: str) -> None:
    """Light some windows below the line of the roofs, by how dark it is."""
    if light.lamps * strength < 0.05:
        return
    pane = max(_PANE * canvas.unit, 2.0)
    top = max(int(line.min()), 0)
    across = (canvas.x - np.float32(canvas.width / 2)) / np.float32(pane)
    down = (canvas.y[top:] - np.floor(line)) / np.float32(pane * 1.25)
    column, row = np.floor(across).astype(np.int32), np.floor(down).astype(np.int32)
    lit = generator(seed, purpose).random((64, 64), dtype=np.float32)[row % 64, column % 64] < 0.34
    inside = (np.abs(across - column - 0.5) < 0.27) & (np.abs(down - row - 0.5) < 0.27) & (down > 0.8)
    canvas.lay((lit & inside).astype(np.float32) * np.float32(light.lamps * strength), paint_of(255, 206, 112), top)

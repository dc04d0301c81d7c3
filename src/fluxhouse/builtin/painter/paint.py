"""Paints a scene at any size, the same on every call: sky, ground far to near, landmarks, water, weather, style."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from fluxhouse.builtin.painter.canvas import blank
from fluxhouse.builtin.painter.landscape import paint_landscape
from fluxhouse.builtin.painter.scene import Figures, Scene
from fluxhouse.builtin.painter.shapes import paint_figures
from fluxhouse.builtin.painter.styles import canvas_for, finish


def paint(scene: Scene, width: int, height: int) -> NDArray[np.uint8]:
    """The scene's picture, sRGB [height, width, 3]; another size shows the same, a little more or less of it."""
    subject = scene.subject
    if isinstance(subject, Figures):
        canvas = blank(width, height)
        paint_figures(canvas, subject, scene.seed)
        planes = canvas.planes
    else:
        canvas = canvas_for(scene.style, width, height)
        paint_landscape(canvas, subject, scene.style, scene.seed)
        planes = finish(canvas, scene.style, scene.seed, width, height)
    levels = np.clip(planes, 0, 1) * np.float32(255) + np.float32(0.5)
    return np.ascontiguousarray(levels.astype(np.uint8).transpose(1, 2, 0))

"""Paints water: what stands above it mirrored, ripples, and the glitter under the sun or the moon."""

from __future__ import annotations

import numpy as np

from fluxhouse.builtin.painter.canvas import Canvas, mix, paint_of, smooth
from fluxhouse.builtin.painter.light import Light
from fluxhouse.builtin.painter.noise import field, generator
from fluxhouse.builtin.painter.scene import Body, Landscape, Style, Terrain

_DEEP = paint_of(26, 96, 148)


def paint_water(
    canvas: Canvas, landscape: Landscape, style: Style, light: Light, waterline: int, seed: int, x: float
) -> None:
    """Fill the rows from `waterline` on; `x` is the column of what shines."""
    rows = canvas.height - waterline
    if rows <= 0:
        return
    near = (np.arange(rows, dtype=np.float32)[:, None] + 0.5) / np.float32(rows)
    wave = field(generator(seed, "waves"), canvas, 2.6, 26, 2)[waterline:] - np.float32(0.5)
    calm = landscape.terrain is Terrain.LAKE
    shift = wave * (0.012 if calm else 0.05) * canvas.unit * (0.3 + near)
    mirror = np.clip(waterline - 1 - near * rows * (0.96 if calm else 1.25) + shift * 2, 0, waterline - 1)
    sideways = np.clip(canvas.x + shift * np.float32(0.8), 0, canvas.width - 1).astype(np.int32)
    mirrored = canvas.planes[:, mirror.astype(np.int32), sideways]
    own = mix(_DEEP * light.falling, light.middle, 0.25)
    depth = (0.16 if calm else 0.34) + 0.3 * near
    if style is Style.POSTER:
        canvas.planes[:, waterline:] = (
            mix(light.zenith, light.falling, 0.55) if not calm else mix(mirrored, light.falling, 0.4)
        )
    else:
        canvas.planes[:, waterline:] = mix(mirrored, own, depth) * (1 + np.float32(0.32 if not calm else 0.14) * wave)
        shore = np.exp(-near * 40) * 0.35
        canvas.lay(np.broadcast_to(shore.astype(np.float32), wave.shape), light.haze, waterline)
    if landscape.body is not Body.NONE:
        _glitter(canvas, light, waterline, near, wave, x, style)


def _glitter(canvas: Canvas, light: Light, waterline: int, near: object, wave: object, x: float, style: Style) -> None:
    near_rows, waves = np.asarray(near, np.float32), np.asarray(wave, np.float32)
    width = (0.035 + 0.13 * near_rows) * canvas.unit
    path = np.exp(-(((canvas.x - np.float32(x)) / width) ** 2))
    if style is Style.POSTER:
        canvas.lay((smooth(path, 0.4, 0.45) * (np.sin(near_rows * 44) > 0)).astype(np.float32), light.body, waterline)
        return
    sparks = smooth(waves, -0.06, 0.12) * path * (1 - 0.45 * near_rows)
    canvas.lay((0.9 * sparks).astype(np.float32), light.body, waterline)

"""Paints water: what stands above it mirrored, ripples, and the glitter under the sun or the moon."""

from __future__ import annotations

import numpy as np

from fluxhouse.builtin.painter.canvas import Canvas, Field, Paint, mix, paint_of, smooth
from fluxhouse.builtin.painter.light import Light
from fluxhouse.builtin.painter.noise import field, generator
from fluxhouse.builtin.painter.scene import Body, Landscape, Style, Terrain

_DEEP = paint_of(26, 96, 148)


def paint_water(
    canvas: Canvas, landscape: Landscape, style: Style, light: Light, waterline: int, seed: int, x: float
) -> None:
    """Fill the rows from `waterline` on; `x` is the column of what shines."""
    rows = canvas.height - waterline
    if rows <= 0 or waterline <= 0:
        return
    near = (np.arange(rows, dtype=np.float32)[:, None] + 0.5) / rows
    wave = field(generator(seed, "waves"), canvas, 2.6, 26, 2)[waterline:] - np.float32(0.5)
    calm = landscape.terrain is Terrain.LAKE
    water = canvas.planes[:, waterline:]
    if style is Style.POSTER and not calm:
        water[:] = mix(light.zenith, light.falling, 0.55)
    else:
        mirrored = _mirrored(canvas, waterline, near, wave, calm)
        own = light.falling if style is Style.POSTER else mix(_DEEP * light.falling, light.middle, 0.25)
        water[:] = mix(mirrored, own, (0.16 if calm else 0.34) + 0.3 * near)
    if style is not Style.POSTER:
        water *= 1 + np.float32(0.14 if calm else 0.32) * wave
        canvas.lay(np.exp(-near * 40) * 0.35, light.haze, waterline)  # the far shore lies in haze
    if landscape.body is not Body.NONE:
        _glitter(canvas, light, waterline, near, wave, x, style)


def _mirrored(canvas: Canvas, waterline: int, near: Field, wave: Field, calm: bool) -> Paint:
    """What stands above the waterline upside down, torn by the waves, more so near the viewer."""
    rows = canvas.height - waterline
    torn = wave * np.float32((0.012 if calm else 0.05) * canvas.unit) * (0.3 + near)
    up = waterline - 1 - near * np.float32(rows * (0.96 if calm else 1.25)) + 2 * torn
    row = np.clip(up, 0, waterline - 1).astype(np.int32)
    column = np.clip(canvas.x + 0.8 * torn, 0, canvas.width - 1).astype(np.int32)
    return canvas.planes[:, row, column]


def _glitter(canvas: Canvas, light: Light, waterline: int, near: Field, wave: Field, x: float, style: Style) -> None:
    """The path of light towards the viewer, broken by the waves; a poster rules it."""
    breadth = (0.035 + 0.13 * near) * np.float32(canvas.unit)
    path = np.exp(-(((canvas.x - np.float32(x)) / breadth) ** 2))
    if style is Style.POSTER:
        canvas.lay(smooth(path, 0.4, 0.45) * (np.sin(near * 44) > 0), light.body, waterline)
    else:
        canvas.lay(0.9 * smooth(wave, -0.06, 0.12) * path * (1 - 0.45 * near), light.body, waterline)

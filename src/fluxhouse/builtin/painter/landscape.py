"""Composes a landscape: what stands where, in which order it is painted, and what water mirrors of it."""

from __future__ import annotations

import numpy as np

from fluxhouse.builtin.painter.canvas import Canvas, Field, paint_of, smooth
from fluxhouse.builtin.painter.city import paint_windows
from fluxhouse.builtin.painter.island import island_line, landing, paint_island
from fluxhouse.builtin.painter.landmarks import HEIGHT, Brush, paint_landmark
from fluxhouse.builtin.painter.light import Light, light_of
from fluxhouse.builtin.painter.scene import Kind, Landmark, Landscape, Style, Terrain, Weather
from fluxhouse.builtin.painter.sky import ACROSS, paint_sky
from fluxhouse.builtin.painter.terrain import (
    HORIZON,
    LAYERS,
    STANDING,
    horizon_of,
    line_of,
    paint_layer,
    slope_of,
)
from fluxhouse.builtin.painter.water import paint_water
from fluxhouse.builtin.painter.weather import paint_fog, paint_rain

_AFLOAT = {Terrain.SEA: 0.68, Terrain.LAKE: 0.74, Terrain.ISLAND: 0.76}
"""Where a boat's waterline lies, as a share of the height."""


def paint_landscape(canvas: Canvas, landscape: Landscape, style: Style, seed: int) -> None:
    """Paint everything but the style's finish."""
    light = light_of(landscape.time, landscape.weather, style)
    horizon = horizon_of(canvas, landscape.terrain)
    lines = [line_of(canvas, layer, seed, f"ridge {n}") for n, layer in enumerate(LAYERS[landscape.terrain])]
    if landscape.terrain is Terrain.ISLAND:
        lines = [island_line(canvas, seed)]
    column = int(ACROSS[landscape.side] * canvas.width)
    skyline = min([float(line[column]) for line in lines] + [horizon])
    paint_sky(canvas, landscape, style, light, horizon, skyline, seed)
    ashore = [one for one in landscape.landmarks if not _floats(one, landscape.terrain)]
    _paint_ground(canvas, landscape, style, light, lines, ashore, seed)
    if landscape.terrain in HORIZON:
        paint_water(canvas, landscape, style, light, round(horizon), seed, column)
        for landmark in landscape.landmarks:
            if _floats(landmark, landscape.terrain):
                _paint_afloat(canvas, landmark, landscape, style, light)
    if landscape.weather is Weather.FOG:
        paint_fog(canvas, light, horizon, seed)
    elif landscape.weather is Weather.RAIN:
        paint_rain(canvas, light, seed)


def _floats(landmark: Landmark, terrain: Terrain) -> bool:
    return landmark.kind is Kind.SAILBOAT or terrain is Terrain.SEA


def _paint_ground(
    canvas: Canvas,
    landscape: Landscape,
    style: Style,
    light: Light,
    lines: list[Field],
    ashore: list[Landmark],
    seed: int,
) -> None:
    """The layers far to near, with the landmarks on the one they stand on."""
    if landscape.terrain is Terrain.ISLAND:
        paint_island(canvas, lines[0], light, style, landscape.side)
        for landmark in ashore:
            _paint_ashore(canvas, landmark, landing(canvas, _across(canvas, landmark)), lines[0], style, light)
        return
    layers = LAYERS[landscape.terrain]
    standing = STANDING.get(landscape.terrain, len(layers) - 1)
    for number, (layer, line) in enumerate(zip(layers, lines, strict=True)):
        if style is Style.SYNTHWAVE and number == len(layers) - 1 and landscape.terrain is not Terrain.LAKE:
            _grid(canvas, line)
        else:
            paint_layer(canvas, layer, line, light, style, landscape.side)
        if landscape.terrain is Terrain.CITY and number < len(layers) - 1:
            paint_windows(canvas, line, light, 1 - 0.8 * layer.depth, seed, f"windows {number}")
        if style is Style.SYNTHWAVE:
            _neon(canvas, line, number)
        if number == standing:
            for landmark in ashore:
                _paint_ashore(canvas, landmark, _across(canvas, landmark), line, style, light)


def _across(canvas: Canvas, landmark: Landmark) -> float:
    return ACROSS[landmark.side] * canvas.width


def _paint_ashore(canvas: Canvas, landmark: Landmark, x: float, line: Field, style: Style, light: Light) -> None:
    height = HEIGHT[landmark.kind] * canvas.unit
    near = line[max(int(x - 0.2 * height), 0) : int(x + 0.2 * height) + 1]
    paint_landmark(Brush(canvas, x, float(near.max()) + 0.01 * height, height, light, style), landmark.kind)


def _paint_afloat(canvas: Canvas, landmark: Landmark, landscape: Landscape, style: Style, light: Light) -> None:
    """A landmark in the water with its reflection."""
    height = HEIGHT[landmark.kind] * canvas.unit
    x = _across(canvas, landmark)
    share = _AFLOAT[landscape.terrain] if landmark.kind is Kind.SAILBOAT else 0.66
    y = share * canvas.height
    paint_landmark(Brush(canvas, x, y, height, light, style), landmark.kind)
    top = round(y)
    deep = min(int(0.55 * height), canvas.height - top, top)
    left, right = max(int(x - 0.7 * height), 0), min(int(x + 0.7 * height), canvas.width)
    if deep <= 0 or right <= left:
        return
    mirrored = canvas.planes[:, top - deep : top, left:right][:, ::-1]
    fading = np.linspace(0.42, 0.0, deep, dtype=np.float32)[:, None]
    edge = 1 - np.abs(np.linspace(-1, 1, right - left, dtype=np.float32)) ** 4
    canvas.lay_at(fading * edge, mirrored.copy(), top, left)


def _neon(canvas: Canvas, line: Field, number: int) -> None:
    """A glowing edge along a ridge."""
    colour = paint_of(70, 240, 255) if number % 2 else paint_of(255, 70, 200)
    top, bottom = (
        max(int(line.min() - 0.03 * canvas.unit), 0),
        min(int(line.max() + 0.03 * canvas.unit) + 1, canvas.height),
    )
    if bottom <= top:
        return
    slope = slope_of(line)
    away = np.abs(canvas.y[top:bottom] - line) / np.sqrt(1 + slope**2) / np.float32(canvas.unit)
    canvas.lay((0.85 * np.exp(-((away / 0.005) ** 2)) + 0.25 * np.exp(-away / 0.012)), colour, top)


def _grid(canvas: Canvas, line: Field) -> None:
    """The synthwave plain: a grid of light that runs to a vanishing point."""
    top = max(int(line.min()), 0)
    horizon = float(line.min()) - 0.02 * canvas.unit
    near = (canvas.y[top:] - np.float32(horizon)) / np.float32(canvas.height - horizon + 1)
    covered = np.clip(canvas.y[top:] - line + 0.5, 0, 1)
    canvas.lay(covered, paint_of(26, 6, 58), top)
    depth = 1 / np.maximum(near, 0.03)
    across = (canvas.x - np.float32(canvas.width / 2)) / np.float32(canvas.unit) * depth * 3.2
    lines = np.maximum(_ruled(across, 0.045), _ruled(depth * 2.2, 0.05 * depth))
    canvas.lay((covered * lines * np.float32(0.9)), paint_of(255, 60, 200), top)


def _ruled(value: Field, breadth: Field | float) -> Field:
    away = np.abs(value - np.round(value))
    return 1 - smooth(away, 0.35 * breadth, 1.5 * breadth + 1e-4)

"""Paints the ground, far to near: each layer's ridge, its colour in this light, and the haze between them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from fluxhouse.builtin.painter.canvas import Canvas, Field, Paint, mix, paint_of, smooth
from fluxhouse.builtin.painter.light import Light
from fluxhouse.builtin.painter.noise import generator
from fluxhouse.builtin.painter.ridges import Ridge, crests, firs, peaks, plain, roofs, swells
from fluxhouse.builtin.painter.scene import Side, Style, Terrain


@dataclass(frozen=True, slots=True)
class Layer:
    """One fold of the ground.

    `foot` is where it ends below (share of the height), `rise` how high it goes above that (share of the reach),
    `depth` how much of it is haze, `paint` its colour in full light, `facet` how strongly slopes turn from the light,
    `zoom` how much closer its ridge looks, `gleam` how much of full light it keeps at dark hours.
    """

    ridge: Ridge
    foot: float
    rise: float
    depth: float
    paint: Paint
    facet: float = 0.0
    zoom: float = 1.0
    gleam: float = 0.0


_ROCK, _FIR, _GRASS = paint_of(104, 114, 138), paint_of(40, 66, 58), paint_of(104, 152, 66)
_SAND, _SNOW, _WALL = paint_of(232, 176, 106), paint_of(246, 249, 255), paint_of(84, 94, 122)

LAYERS: dict[Terrain, tuple[Layer, ...]] = {
    Terrain.MOUNTAINS: (
        Layer(peaks, 0.62, 0.40, 0.66, _ROCK, 0.10),
        Layer(peaks, 0.72, 0.34, 0.42, _ROCK, 0.16, 0.9),
        Layer(peaks, 0.84, 0.26, 0.2, _ROCK * 0.85, 0.2, 0.8),
        Layer(plain, 0.93, 0.13, 0.02, _FIR),
    ),
    Terrain.HILLS: (
        Layer(swells, 0.62, 0.15, 0.55, _GRASS * 0.92, 0.0, 1.3),
        Layer(swells, 0.72, 0.17, 0.33, _GRASS * 0.96, 0.0, 1.1),
        Layer(swells, 0.84, 0.18, 0.14, _GRASS, 0.0, 0.9),
        Layer(swells, 0.98, 0.19, 0.0, _GRASS * 0.84, 0.0, 0.7),
    ),
    Terrain.DUNES: (
        Layer(crests, 0.64, 0.13, 0.42, _SAND, 0.22, 1.3),
        Layer(crests, 0.78, 0.2, 0.2, _SAND, 0.3, 1.0),
        Layer(crests, 1.0, 0.29, 0.03, _SAND * 0.97, 0.36, 0.72),
    ),
    Terrain.FOREST: (
        Layer(peaks, 0.56, 0.16, 0.72, _FIR * 1.3),
        Layer(firs, 0.62, 0.17, 0.5, _FIR * 1.25, 0.0, 1.5),
        Layer(firs, 0.75, 0.2, 0.27, _FIR * 1.1, 0.0, 1.1),
        Layer(firs, 0.9, 0.22, 0.08, _FIR * 0.85, 0.0, 0.8),
        Layer(plain, 0.99, 0.11, 0.0, _FIR * 0.75),
    ),
    Terrain.SEA: (),
    Terrain.LAKE: (
        Layer(peaks, 0.56, 0.33, 0.55, _ROCK, 0.12, 0.9),
        Layer(swells, 0.57, 0.15, 0.28, _FIR * 1.35, 0.0, 1.2),
        Layer(firs, 0.6, 0.075, 0.05, _FIR, 0.0, 1.5),
    ),
    Terrain.CITY: (
        Layer(roofs, 0.86, 0.46, 0.55, _WALL * 1.15, 0.0, 1.15),
        Layer(roofs, 0.9, 0.42, 0.3, _WALL, 0.0, 0.9),
        Layer(roofs, 0.96, 0.34, 0.08, _WALL * 0.75, 0.0, 0.75),
        Layer(plain, 0.99, 0.1, 0.0, paint_of(40, 46, 60)),
    ),
    Terrain.SNOW: (
        Layer(peaks, 0.60, 0.34, 0.4, _SNOW * 0.94, 0.16, 1.0, 0.3),
        Layer(firs, 0.70, 0.12, 0.22, paint_of(92, 118, 134), 0.0, 1.5),
        Layer(swells, 0.82, 0.13, 0.12, _SNOW * 0.97, 0.0, 0.9, 0.36),
        Layer(swells, 0.98, 0.15, 0.03, _SNOW, 0.0, 0.7, 0.42),
    ),
    Terrain.ISLAND: (),
}

STANDING = {Terrain.MOUNTAINS: 3, Terrain.HILLS: 2, Terrain.DUNES: 1, Terrain.FOREST: 4, Terrain.LAKE: 2}
"""The layer that landmarks stand on, where it is not the last but one or the only one."""

HORIZON = {Terrain.SEA: 0.56, Terrain.LAKE: 0.6, Terrain.ISLAND: 0.58}
"""Where the sky's gradient ends and water begins, as a share of the height; elsewhere the sky ends at 0.62."""


def horizon_of(canvas: Canvas, terrain: Terrain) -> float:
    """The row where the sky ends."""
    return HORIZON.get(terrain, 0.62) * canvas.height


def line_of(canvas: Canvas, layer: Layer, seed: int, purpose: str) -> Field:
    """The row of the layer's ridge for each column [w]."""
    places = (canvas.x - np.float32(canvas.width / 2)) / np.float32(canvas.unit) * np.float32(layer.zoom)
    heights = layer.ridge(generator(seed, purpose), places)
    return layer.foot * canvas.height - layer.rise * canvas.reach * heights


def paint_layer(canvas: Canvas, layer: Layer, line: Field, light: Light, style: Style, side: Side) -> None:
    """Fill below the line: lit paint, more haze towards the foot of far layers, slopes darker away from the light."""
    top = max(int(line.min()) - 1, 0)
    if top >= canvas.height:
        return
    below = canvas.y[top:] - line
    slope = slope_of(line)
    covered = np.clip(below / np.sqrt(1 + slope**2) + np.float32(0.5), 0, 1)
    paint = mix(layer.paint * mix(lit(light, style), 1.0, layer.gleam), light.haze, layer.depth)
    if style is Style.POSTER:
        ink = mix(light.falling, layer.paint, 0.3 + 1.3 * layer.gleam)
        canvas.lay(covered, mix(ink, light.haze, min(layer.depth * 1.3, 1.0)), top)
        return
    misty = np.float32(0.5 * layer.depth**0.5) * smooth(below, 0, layer.rise * canvas.reach)
    shaded = mix(paint, light.haze, misty)
    if layer.facet:
        shaded = shaded * (1 + np.float32(layer.facet) * _turned(canvas, line, slope, below, side))
    canvas.lay(covered, shaded, top)


def slope_of(line: Field) -> Field:
    """How steeply a line falls at each column, at most 3 pixels a column: walls are not softened over their height."""
    slope: Field = np.clip(np.gradient(line), -3, 3) if line.size > 1 else np.zeros_like(line)
    return slope


def lit(light: Light, style: Style) -> Paint:
    """What light leaves of full colour; the synthwave ground is nearly black."""
    return light.falling * np.float32(0.55 if style is Style.SYNTHWAVE else 1.0)


def _turned(canvas: Canvas, line: Field, slope: Field, below: Field, side: Side) -> Field:
    """From -1 (turned away from the light) to 1 for each pixel: flanks carry the slope of the ridge above them."""
    lean = -0.3 if side is Side.RIGHT else 0.3
    # Spurs wind on their way down.
    winding = np.float32(0.016 * canvas.unit) * np.sin(below * np.float32(21 / canvas.reach))
    source = np.clip(canvas.x + np.float32(lean) * below + winding, 0, line.size - 1).astype(np.int32)
    towards = 1 if side is Side.RIGHT else -1
    turned = np.clip(towards * slope * np.float32(-1.6), -1, 1)
    fading = np.clip(1.15 - below / np.float32(0.5 * canvas.reach), 0, 1)
    flanks: Field = turned[source] * fading
    return flanks

"""Paints what is built or grown in a landscape: house, lighthouse, sailboat, torii gate, pagoda and tree."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from fluxhouse.builtin.painter.canvas import Canvas, Paint, mix, paint_of
from fluxhouse.builtin.painter.light import Light
from fluxhouse.builtin.painter.scene import Kind, Style

HEIGHT = {
    Kind.HOUSE: 0.19,
    Kind.LIGHTHOUSE: 0.33,
    Kind.SAILBOAT: 0.27,
    Kind.TORII: 0.25,
    Kind.PAGODA: 0.36,
    Kind.TREE: 0.28,
}
"""How tall a landmark is, as a share of the picture's shorter side."""

Point = tuple[float, float]
_GLASS = paint_of(255, 214, 120)


class Brush:
    """Paints forms given in heights of the landmark: the origin at the middle of its foot, y upwards."""

    def __init__(self, canvas: Canvas, x: float, y: float, height: float, light: Light, style: Style) -> None:
        self.canvas, self.x, self.y, self.height, self.style = canvas, x, y, height, style
        self.light = light

    def lit(self, paint: Paint) -> Paint:
        """The paint in this light; what people look for stays a little brighter than the ground."""
        if self.style is Style.POSTER:
            return mix(paint, self.light.falling, 0.35)
        falling = mix(self.light.falling, 1.0, 0.3)
        return paint * falling

    def window(self) -> Paint:
        """Glass, lit in the dark."""
        return mix(self.lit(paint_of(70, 84, 104)), _GLASS, self.light.lamps)

    def convex(self, points: Sequence[Point], paint: Paint) -> None:
        """Fill a convex outline."""
        xs = np.array([self.x + px * self.height for px, _ in points], np.float32)
        ys = np.array([self.y - py * self.height for _, py in points], np.float32)
        top, left = max(int(ys.min()) - 1, 0), max(int(xs.min()) - 1, 0)
        columns = self.canvas.x[left : max(int(xs.max()) + 2, 0)]
        rows = self.canvas.y[top : max(int(ys.max()) + 2, 0)]
        if not columns.size or not rows.size:
            return
        area = np.sum(xs * np.roll(ys, -1) - np.roll(xs, -1) * ys)
        outside = np.full((rows.size, columns.size), -1e9, np.float32)
        for (x0, y0), (x1, y1) in zip(
            zip(xs, ys, strict=True), zip(np.roll(xs, -1), np.roll(ys, -1), strict=True), strict=True
        ):
            length = np.hypot(x1 - x0, y1 - y0)
            distance = ((y1 - y0) * (columns - x0) - (x1 - x0) * (rows - y0)) / (length if area > 0 else -length)
            np.maximum(outside, distance, out=outside)
        self.canvas.lay_at(np.clip(np.float32(0.5) - outside, 0, 1), paint, top, left)

    def box(self, left: float, bottom: float, right: float, top: float, paint: Paint) -> None:
        """Fill an upright rectangle."""
        self.convex(((left, bottom), (right, bottom), (right, top), (left, top)), paint)

    def disc(self, x: float, y: float, radius: float, paint: Paint, strength: float = 1.0, soft: float = 0.0) -> None:
        """Fill a circle; `soft` is how far its edge spreads."""
        reach = (radius + soft) * self.height
        middle_x, middle_y = self.x + x * self.height, self.y - y * self.height
        top, left = max(int(middle_y - reach) - 1, 0), max(int(middle_x - reach) - 1, 0)
        columns = self.canvas.x[left : max(int(middle_x + reach) + 2, 0)] - np.float32(middle_x)
        rows = self.canvas.y[top : max(int(middle_y + reach) + 2, 0)] - np.float32(middle_y)
        if columns.size and rows.size:
            falloff = max(soft * self.height, 1.0)
            covered = np.clip((reach + 0.5 - np.hypot(columns, rows)) / falloff, 0, 1) * np.float32(strength)
            self.canvas.lay_at(covered, paint, top, left)


def paint_landmark(brush: Brush, kind: Kind) -> None:
    """Paint the landmark that stands at the brush's origin."""
    _PAINTED[kind](brush)


def _house(brush: Brush) -> None:
    wall, roof = brush.lit(paint_of(244, 232, 208)), brush.lit(paint_of(178, 64, 48))
    brush.box(0.26, 0.6, 0.38, 1.0, brush.lit(paint_of(150, 84, 66)))
    brush.box(-0.55, -0.06, 0.55, 0.52, wall)
    brush.convex(((-0.68, 0.48), (0.68, 0.48), (0.4, 0.92), (-0.4, 0.92)), roof)
    brush.box(-0.1, -0.06, 0.1, 0.32, brush.lit(paint_of(96, 62, 46)))
    for left in (-0.42, 0.22):
        brush.box(left, 0.16, left + 0.2, 0.36, brush.window())
    _shine(brush, 0.0, 0.26, 0.75)


def _shine(brush: Brush, x: float, y: float, radius: float) -> None:
    """The warmth around lit windows."""
    if brush.light.lamps > 0.5 and brush.style is not Style.POSTER:
        brush.disc(x, y, 0.0, _GLASS, 0.3 * brush.light.lamps, radius)


def _lighthouse(brush: Brush) -> None:
    rock, white, red = (brush.lit(paint_of(*rgb)) for rgb in ((88, 84, 88), (250, 248, 244), (208, 44, 44)))
    brush.convex(((-0.42, -0.08), (0.42, -0.08), (0.3, 0.06), (0.1, 0.1), (-0.14, 0.1), (-0.32, 0.04)), rock)

    def half(at: float) -> float:
        return 0.125 - 0.055 * at

    bands = 5
    for band in range(bands):
        low, high = 0.08 + 0.64 * band / bands, 0.08 + 0.64 * (band + 1) / bands
        corners = ((-half(low), low), (half(low), low), (half(high), high), (-half(high), high))
        brush.convex(corners, red if band % 2 == 0 else white)
    brush.box(-0.125, 0.72, 0.125, 0.755, brush.lit(paint_of(52, 54, 66)))
    brush.box(-0.075, 0.755, 0.075, 0.86, mix(brush.window(), _GLASS, 0.5))
    brush.convex(((-0.1, 0.86), (0.1, 0.86), (0.0, 0.99)), red)
    if brush.light.lamps > 0.5:
        if brush.style is not Style.POSTER:
            brush.disc(0.0, 0.8, 0.0, _GLASS, 0.8 * brush.light.lamps, 0.4)
        brush.disc(0.0, 0.808, 0.05, paint_of(255, 246, 210))


def _sailboat(brush: Brush) -> None:
    hull, sail = brush.lit(paint_of(124, 58, 44)), brush.lit(paint_of(255, 252, 244))
    brush.convex(((-0.34, 0.14), (0.36, 0.14), (0.24, -0.02), (-0.24, -0.02)), hull)
    brush.box(-0.012, 0.14, 0.012, 1.0, brush.lit(paint_of(84, 62, 50)))
    brush.convex(((0.03, 0.19), (0.38, 0.19), (0.03, 0.97)), sail)
    brush.convex(((-0.03, 0.19), (-0.28, 0.19), (-0.03, 0.84)), mix(sail, hull, 0.12))


def _torii(brush: Brush) -> None:
    red, dark = brush.lit(paint_of(218, 52, 32)), brush.lit(paint_of(66, 38, 40))
    for side in (-1, 1):
        brush.convex(((side * 0.4, -0.05), (side * 0.3, -0.05), (side * 0.27, 0.84), (side * 0.36, 0.84)), red)
    brush.box(-0.46, 0.6, 0.46, 0.68, red)
    brush.box(-0.035, 0.66, 0.035, 0.84, red)
    brush.convex(((-0.54, 0.82), (0.54, 0.82), (0.6, 0.93), (-0.6, 0.93)), red)
    brush.convex(((-0.6, 0.915), (0.6, 0.915), (0.65, 1.0), (-0.65, 1.0)), dark)


def _pagoda(brush: Brush) -> None:
    wall, roof = brush.lit(paint_of(206, 84, 58)), brush.lit(paint_of(52, 60, 74))
    floors = ((0.0, 0.3, 0.46), (0.27, 0.25, 0.38), (0.51, 0.2, 0.31))
    for foot, half, eave in floors:
        tall = 0.17
        brush.box(-half, foot - 0.04, half, foot + tall, wall)
        brush.box(-half * 0.28, foot + 0.01, half * 0.28, foot + tall - 0.03, brush.window())
        brush.convex(
            (
                (-eave, foot + tall + 0.012),
                (eave, foot + tall + 0.012),
                (eave * 0.5, foot + tall + 0.11),
                (-eave * 0.5, foot + tall + 0.11),
            ),
            roof,
        )
        for side in (-1, 1):
            brush.convex(
                (
                    (side * eave * 0.8, foot + tall + 0.012),
                    (side * eave, foot + tall + 0.012),
                    (side * (eave + 0.06), foot + tall + 0.06),
                ),
                roof,
            )
    brush.box(-0.015, 0.78, 0.015, 1.0, roof)
    _shine(brush, 0.0, 0.35, 0.6)


def _tree(brush: Brush) -> None:
    trunk, leaf = brush.lit(paint_of(92, 62, 44)), paint_of(66, 128, 58)
    brush.convex(((-0.06, -0.05), (0.06, -0.05), (0.035, 0.5), (-0.035, 0.5)), trunk)
    for x, y, radius in (
        (-0.2, 0.52, 0.19),
        (0.2, 0.53, 0.19),
        (0.0, 0.5, 0.2),
        (-0.1, 0.72, 0.21),
        (0.13, 0.72, 0.2),
        (0.01, 0.82, 0.18),
    ):
        brush.disc(x, y, radius, brush.lit(leaf * np.float32(0.78)))
    for x, y, radius in ((-0.16, 0.6, 0.12), (0.1, 0.66, 0.14), (-0.05, 0.82, 0.11)):
        brush.disc(x, y, radius * 0.6, brush.lit(leaf), 0.8, radius * 0.6)


_PAINTED: dict[Kind, Callable[[Brush], None]] = {
    Kind.HOUSE: _house,
    Kind.LIGHTHOUSE: _lighthouse,
    Kind.SAILBOAT: _sailboat,
    Kind.TORII: _torii,
    Kind.PAGODA: _pagoda,
    Kind.TREE: _tree,
}

"""Paints shapes of flat colour on a flat ground, with edges smooth to the pixel."""

from __future__ import annotations

import numpy as np

from fluxhouse.builtin.painter.canvas import Canvas, Field, paint_of
from fluxhouse.builtin.painter.noise import generator
from fluxhouse.builtin.painter.scene import Colour, Figures, Form, Place, Shape, Size

SRGB: dict[Colour, tuple[int, int, int]] = {
    Colour.RED: (255, 0, 0),
    Colour.ORANGE: (255, 165, 0),
    Colour.YELLOW: (255, 255, 0),
    Colour.GREEN: (0, 128, 0),
    Colour.TEAL: (0, 128, 128),
    Colour.BLUE: (0, 0, 255),
    Colour.PURPLE: (128, 0, 128),
    Colour.PINK: (255, 192, 203),
    Colour.BROWN: (150, 62, 24),  # Between CSS's brown, which is nearly red, and its saddlebrown.
    Colour.GREY: (128, 128, 128),
    Colour.BLACK: (0, 0, 0),
    Colour.WHITE: (255, 255, 255),
}
"""The colours as CSS knows them, brown apart."""

RADIUS = {Size.SMALL: 0.095, Size.LARGE: 0.2}
"""How large a shape is, as a share of the picture's shorter side."""

_AT = (0.25, 0.5, 0.75)
CENTRE = {place: (_AT[index % 3], _AT[index // 3]) for index, place in enumerate(Place)}
"""Where a shape's middle stands, as shares of width and height."""


def paint_figures(canvas: Canvas, figures: Figures, seed: int) -> None:
    """Fill the canvas with the ground and paint the shapes, each moved by a hair."""
    canvas.planes[:] = paint_of(*SRGB[figures.background])
    for shape in figures.shapes:
        rng = generator(seed, shape.place)
        shift = rng.uniform(-0.006, 0.006, 2)
        radius = RADIUS[shape.size] * canvas.unit * rng.uniform(0.93, 1.05)
        _paint(canvas, shape, shift, float(radius))


def _paint(canvas: Canvas, shape: Shape, shift: np.ndarray[tuple[int], np.dtype[np.float64]], radius: float) -> None:
    across, down = CENTRE[shape.place]
    x, y = across * canvas.width + shift[0] * canvas.unit, down * canvas.height + shift[1] * canvas.unit
    left, top = max(int(x - 1.3 * radius), 0), max(int(y - 1.3 * radius), 0)
    columns = canvas.x[left : int(x + 1.3 * radius) + 2] - np.float32(x)
    rows = canvas.y[top : int(y + 1.3 * radius) + 2] - np.float32(y)
    canvas.lay_at(coverage(shape.form, columns, rows, radius), paint_of(*SRGB[shape.colour]), top, left)


def coverage(form: Form, x: Field, y: Field, radius: float) -> Field:
    """How much of each pixel a form around the origin covers; all lengths are pixels."""
    return np.clip(np.float32(0.5) - _distance(form, x, y, radius), 0, 1).astype(np.float32)


def _distance(form: Form, x: Field, y: Field, radius: float) -> Field:
    """Pixels to the form's edge, below zero inside."""
    match form:
        case Form.CIRCLE:
            return np.hypot(x, y) - radius
        case Form.RING:
            return np.abs(np.hypot(x, y) - 0.79 * radius) - 0.21 * radius
        case Form.SQUARE:
            return np.maximum(np.abs(x), np.abs(y)) - 0.88 * radius
        case Form.CROSS:
            across, along = np.minimum(np.abs(x), np.abs(y)), np.maximum(np.abs(x), np.abs(y))
            return np.maximum(across - 0.3 * radius, along - radius)
        case Form.TRIANGLE:
            # Three sides at the same distance from the origin, which stands a little above the middle of the height.
            lifted = y - 0.18 * radius
            return np.maximum(lifted, np.abs(x) * 0.8660254 - lifted * 0.5) - 0.62 * radius
        case Form.STAR:
            return _star(x, y, 1.1 * radius)


def _star(x: Field, y: Field, radius: float) -> Field:
    """Pixels to the edge of a five-pointed star, by folding the plane into the half of one ray."""
    angle = np.arctan2(np.abs(x), -y)
    sector = 2 * np.pi / 5
    folded = np.abs(np.mod(angle + sector / 2, sector) - sector / 2)
    length = np.hypot(x, y)
    inner = 0.42 * radius
    tip, dent = np.array((radius, 0.0)), inner * np.array((np.cos(sector / 2), np.sin(sector / 2)))
    edge = dent - tip
    normal = np.array((-edge[1], edge[0])) / np.hypot(*edge)
    outward = normal if normal @ tip > 0 else -normal
    along, across = length * np.cos(folded) - np.float32(radius), length * np.sin(folded)
    distance: Field = along * np.float32(outward[0]) + across * np.float32(outward[1])
    return distance

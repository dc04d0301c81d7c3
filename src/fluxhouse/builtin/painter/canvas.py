"""A canvas: colour planes from 0 to 1, where their pixels lie, and how paint is laid on them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Field = NDArray[Any]
"""One float for every pixel [h, w], or for every row [h, 1] or column [w]."""

Paint = NDArray[Any]
"""A colour [3, 1, 1], or one for every row or pixel [3, h, w], sRGB floats from 0 to 1."""


@dataclass(frozen=True, slots=True)
class Canvas:
    """Planes [3, h, w] and, in pixels, the centres of columns `x` [w] and rows `y` [h, 1].

    `unit` is the shorter side in pixels, by which the breadth of things is measured, and `reach` the mean of it and the
    height, by which heights are measured, so that neither wide nor tall pictures squeeze what they show.
    """

    planes: Paint
    x: Field
    y: Field
    unit: float
    reach: float

    @property
    def width(self) -> int:
        return int(self.planes.shape[2])

    @property
    def height(self) -> int:
        return int(self.planes.shape[1])

    def lay(self, coverage: Field, paint: Paint, top: int = 0) -> None:
        """Lay paint on the rows from `top` on, as much as `coverage` (0 to 1) says."""
        _lay(self.planes[:, top : top + coverage.shape[0]], coverage, paint)

    def lay_at(self, coverage: Field, paint: Paint, top: int, left: int) -> None:
        """Lay paint on the rectangle whose upper left corner is given."""
        height, width = coverage.shape
        _lay(self.planes[:, top : top + height, left : left + width], coverage, paint)


def _lay(planes: Paint, coverage: Field, paint: Paint) -> None:
    change = paint - planes
    change *= coverage
    planes += change


def blank(width: int, height: int) -> Canvas:
    """An unpainted canvas."""
    unit = float(min(width, height))
    return Canvas(
        np.empty((3, height, width), np.float32),
        np.arange(width, dtype=np.float32) + np.float32(0.5),
        np.arange(height, dtype=np.float32)[:, None] + np.float32(0.5),
        unit,
        (unit + height) / 2,
    )


def paint_of(red: float, green: float, blue: float) -> Paint:
    """The paint of an sRGB colour given from 0 to 255."""
    return np.array((red, green, blue), np.float32).reshape(3, 1, 1) / np.float32(255)


def mix(one: Paint, other: Paint | float, share: Field | float) -> Paint:
    """From `one` (share 0) to `other` (share 1)."""
    mixed: Paint = one + (other - one) * _single(share)
    return mixed


def smooth(value: Field, low: Field | float, high: Field | float) -> Field:
    """0 below `low`, 1 above `high` and a soft step between them."""
    rising = np.clip((value - _single(low)) / (_single(high) - _single(low)), 0, 1)
    soft: Field = rising * rising * (3 - 2 * rising)
    return soft


def _single(value: Field | float) -> Any:
    """The number in the precision of the planes; a wider one would widen whole pictures."""
    return np.float32(value) if isinstance(value, float) else value

"""How many pixels a request asks for: by ratio, by hand, or by the shape of an input image."""

from __future__ import annotations

import math

GRID = 16
WIDEST = 21 / 9  # The widest ratio of any model: thinner input images are made this wide.


def round_up(side: int) -> int:
    """The next multiple of 16 that is not below `side`."""
    return -(-side // GRID) * GRID


def fit(width: int, height: int, area: int) -> tuple[int, int]:
    """Width and height of about `area` pixels in the ratio of a picture of `width` by `height`, on multiples of 16.

    Ratios beyond 21:9 either way are held there.
    """
    ratio = min(max(width / height, 1 / WIDEST), WIDEST)
    return _nearest(math.sqrt(area * ratio)), _nearest(math.sqrt(area / ratio))


def _nearest(side: float) -> int:
    return max(GRID, round(side / GRID) * GRID)

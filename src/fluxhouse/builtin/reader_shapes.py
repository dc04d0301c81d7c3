"""Reads coloured shapes from pixels alone: the ground from the rim, each shape from what differs from it."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fluxhouse.builtin.painter.scene import Colour, Figures, Form, Place, Shape, Size
from fluxhouse.builtin.painter.shapes import SRGB, coverage

Mask = NDArray[np.bool_]

_DIFFERS = 55.0
"""How far a pixel's colour lies from the ground's, in sRGB levels, for it to belong to a shape."""

_LEAST_AREA = 0.004
"""Of a square of the shorter side; a mark smaller than that is no shape."""

_TEMPLATE = 32
_LARGE = 0.285
"""From this extent on, as a share of the shorter side, a shape is large."""


def read_figures(picture: NDArray[np.uint8]) -> Figures:
    """The ground and the shapes on it, in rows from the top left, of a picture [h, w, 3].

    Read from the picture alone: whatever is no shape of one colour is left out or taken for the nearest.
    """
    reduced = _reduced(picture)
    ground = _ground(reduced)
    differs = np.sqrt(((reduced - ground) ** 2).sum(2)) > _DIFFERS
    least = _LEAST_AREA * min(differs.shape) ** 2
    found = [_shape(reduced, part) for part in parts(differs) if part.sum() >= least]
    places = list(Place)
    return Figures(nearest(ground), tuple(sorted(found, key=lambda shape: places.index(shape.place))))


def nearest(rgb: NDArray[Any]) -> Colour:
    """The colour of the twelve that lies nearest."""
    return min(SRGB, key=lambda colour: float(((np.array(SRGB[colour]) - rgb) ** 2).sum()))


def _reduced(picture: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Less than 256 pixels on the shorter side, by leaving pixels out."""
    step = max(min(picture.shape[:2]) // 128, 1)
    return picture[step // 2 :: step, step // 2 :: step].astype(np.float32)


def _ground(picture: NDArray[np.float32]) -> NDArray[np.float32]:
    """The median colour of the rim."""
    rim = max(min(picture.shape[:2]) // 40, 1)
    sides = (picture[:rim], picture[-rim:], picture[:, :rim], picture[:, -rim:])
    median: NDArray[np.float32] = np.median(np.concatenate([side.reshape(-1, 3) for side in sides]), 0)
    return median


def parts(mask: Mask) -> list[Mask]:
    """The connected parts of a mask, by runs of rows that overlap."""
    labels = np.zeros(mask.shape, np.int32)
    parents = [0]
    for row, line in enumerate(mask):
        edges = np.flatnonzero(np.diff(np.concatenate(((False,), line, (False,))).astype(np.int8)))
        for start, stop in zip(edges[::2], edges[1::2], strict=True):
            above = np.unique(labels[row - 1, start:stop]) if row else np.zeros(0, np.int32)
            roots = sorted({_root(parents, int(label)) for label in above if label})
            if not roots:
                parents.append(len(parents))
                roots = [len(parents) - 1]
            for other in roots[1:]:
                parents[other] = roots[0]
            labels[row, start:stop] = roots[0]
    roots_of = np.array([_root(parents, label) for label in range(len(parents))])
    labels = roots_of[labels]
    return [labels == label for label in np.unique(labels) if label]


def _root(parents: list[int], label: int) -> int:
    while parents[label] != label:
        label = parents[label]
    return label


def _shape(picture: NDArray[np.float32], part: Mask) -> Shape:
    rows, columns = np.flatnonzero(part.any(1)), np.flatnonzero(part.any(0))
    top, bottom, left, right = rows[0], rows[-1] + 1, columns[0], columns[-1] + 1
    height, width = part.shape
    across, down = (left + right) / 2 / width, (top + bottom) / 2 / height
    place = list(Place)[3 * _third(down) + _third(across)]
    large = max(bottom - top, right - left) / min(height, width) > _LARGE
    colour = nearest(np.median(picture[_core(part)], 0))
    return Shape(_form(part[top:bottom, left:right]), colour, Size.LARGE if large else Size.SMALL, place)


def _core(part: Mask) -> Mask:
    """The part without its outermost pixels, which a soft edge mixes with the ground, as far as it has others."""
    core = part
    for _ in range(4):
        inner = np.zeros_like(core)
        inner[1:-1, 1:-1] = core[1:-1, 1:-1] & core[:-2, 1:-1] & core[2:, 1:-1] & core[1:-1, :-2] & core[1:-1, 2:]
        if inner.sum() < 12:
            break
        core = inner
    return core


def _third(share: float) -> int:
    """Which of a quarter, a half and three quarters lies nearest."""
    return int(np.clip(round(share * 4) - 1, 0, 2))


def _form(part: Mask) -> Form:
    """The form whose outline, stretched to the same box, overlaps most."""
    height, width = part.shape
    grid = (np.arange(_TEMPLATE) + 0.5) / _TEMPLATE
    seen = part[(grid * height).astype(int)][:, (grid * width).astype(int)]
    return max(Form, key=lambda form: float((seen & _template(form)).sum() / (seen | _template(form)).sum()))


@lru_cache(maxsize=len(Form))
def _template(form: Form) -> Mask:
    """The form filling a box."""
    place = np.arange(-60, 60, dtype=np.float32) + np.float32(0.5)
    filled = coverage(form, place, place[:, None], 45.0) > 0.5
    rows, columns = np.flatnonzero(filled.any(1)), np.flatnonzero(filled.any(0))
    boxed = filled[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    grid = (np.arange(_TEMPLATE) + 0.5) / _TEMPLATE
    stretched: Mask = boxed[(grid * boxed.shape[0]).astype(int)][:, (grid * boxed.shape[1]).astype(int)]
    return stretched

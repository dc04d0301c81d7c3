"""The lines along which ground meets sky: peaks, swells, dune crests, tree tops and roofs, in units of height."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from fluxhouse.builtin.painter.canvas import Field, smooth
from fluxhouse.builtin.painter.noise import line

Ridge = Callable[[np.random.Generator, Field], Field]
"""Heights from 0 to about 1 over places in units, 0 in the picture's middle."""


def peaks(rng: np.random.Generator, x: Field) -> Field:
    """Mountains: sharp summits with rugged flanks."""
    broad = 1 - np.abs(2 * line(rng, x * 2.3, 1) - 1)
    sharp = 1 - np.abs(2 * line(rng, x * 3.4, 4, 0.42) - 1)
    return (0.45 * broad + 0.55 * sharp) ** 1.25


def swells(rng: np.random.Generator, x: Field) -> Field:
    """Hills: long round waves."""
    return line(rng, x * 1.9, 2, 0.25)


def crests(rng: np.random.Generator, x: Field) -> Field:
    """Dunes: a slow rise, a sharp crest, a short fall."""
    place = x * 1.25 + rng.uniform(0, 8) + 0.25 * line(rng, x * 2.0, 1)
    cell = np.floor(place)
    part = place - cell
    rise = np.float32(0.64)
    height = np.where(part < rise, smooth(part, -0.25, 0.72), 1 - smooth(part, rise - 0.3, 1.02))
    tall = 0.62 + 0.38 * rng.random(64, dtype=np.float32)[cell.astype(np.int32) % 64]
    return (height * tall).astype(np.float32)


def firs(rng: np.random.Generator, x: Field) -> Field:
    """A forest's edge: spires of firs on a swelling ground."""
    ground = 0.45 * line(rng, x * 2.0, 2)
    return np.maximum(_spires(rng, x * 13.0), _spires(rng, x * 9.0 + 0.5)) * 0.55 + ground


def _spires(rng: np.random.Generator, place: Field) -> Field:
    cell = np.floor(place).astype(np.int32)
    shifts, talls = 0.3 * (rng.random(128, dtype=np.float32) - 0.5), 0.45 + 0.55 * rng.random(128, dtype=np.float32)
    height = np.zeros_like(place)
    for neighbour in (-1, 0, 1):
        index = (cell + neighbour) % 128
        away = np.abs(place - (cell + neighbour) - 0.5 - shifts[index])
        np.maximum(height, talls[index] - away * 1.25, out=height)
    return height


def roofs(rng: np.random.Generator, x: Field) -> Field:
    """A skyline: towers, each of one height, tallest about the middle."""
    place = x * 11.0
    cell = np.floor(place).astype(np.int32)
    merged = np.where(rng.random(128) < 0.3, 1, 0)  # Some towers are two lots wide.
    lot = (cell - merged[cell % 128] * (cell % 2)) % 128
    tall = rng.random(128, dtype=np.float32)[lot]
    slender = 0.35 + 0.65 * np.exp(-((x / 0.55) ** 2))
    return ((0.25 + 0.75 * tall**1.6) * slender).astype(np.float32)


def plain(rng: np.random.Generator, x: Field) -> Field:
    """Nearly level ground."""
    return line(rng, x * 1.3, 2, 0.3)

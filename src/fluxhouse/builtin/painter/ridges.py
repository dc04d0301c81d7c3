"""The lines along which ground meets sky: peaks, swells, dune crests, tree tops and roofs, in units of height."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from fluxhouse.builtin.painter.canvas import Field
from fluxhouse.builtin.painter.noise import line

Ridge = Callable[[np.random.Generator, Field], Field]
"""Heights from 0 to about 1 over places in units, 0 in the picture's middle."""


def peaks(rng: np.random.Generator, x: Field) -> Field:
    """Mountains: sharp summits with rugged flanks."""
    broad = 1 - np.abs(2 * line(rng, x * 2.3, 1) - 1)
    sharp = 1 - np.abs(2 * line(rng, x * 3.4, 4, 0.42) - 1)
    heights: Field = (0.45 * broad + 0.55 * sharp) ** 1.25
    return heights


def swells(rng: np.random.Generator, x: Field) -> Field:
    """Hills: long round waves."""
    return line(rng, x * 1.9, 2, 0.25)


def crests(rng: np.random.Generator, x: Field) -> Field:
    """Dunes: long rises to a crest, overlapping like waves."""
    height = np.zeros_like(x)
    for rank in range(3):
        place = x * np.float32(1.1) + np.float32(rng.uniform(0, 8) + rank / 3)
        cell = np.floor(place)
        tall = 0.45 + 0.55 * rng.random(64, dtype=np.float32)[cell.astype(np.int32) % 64]
        away = np.abs(place - cell - np.float32(0.5)) * 2
        np.maximum(height, tall * (1 - away) ** np.float32(1.25), out=height)
    return height


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
    slender = 0.35 + 0.65 * np.exp(-(((lot.astype(np.float32) - 128 * (lot > 64)) / np.float32(6.0)) ** 2))
    heights: Field = (0.25 + 0.75 * tall**1.6) * slender
    return heights


def plain(rng: np.random.Generator, x: Field) -> Field:
    """Nearly level ground."""
    return line(rng, x * 1.3, 2, 0.3)

"""Seeded noise, the same at any size of picture: lines for ridges, fields for clouds, ripples and paper."""

from __future__ import annotations

import zlib
from functools import lru_cache

import numpy as np

from fluxhouse.builtin.painter.canvas import Canvas, Field

_PERIOD = 32
"""Lattice points after which a field repeats, beyond what a picture shows of its coarser octaves."""


def generator(seed: int, purpose: str) -> np.random.Generator:
    """Random numbers for one purpose, so that a change elsewhere in the scene leaves them as they are."""
    return np.random.Generator(np.random.PCG64([seed, zlib.crc32(purpose.encode())]))


def line(rng: np.random.Generator, x: Field, octaves: int, roughness: float = 0.5) -> Field:
    """A smooth random line of height 0 to 1 over places `x`, with about one hill for every 1 of x."""
    lattice = rng.random((octaves, 257), dtype=np.float32)
    height, weight, whole = np.zeros_like(x), 1.0, 0.0
    for octave in range(octaves):
        place = x * np.float32(2**octave) + np.float32(128)
        cell = np.floor(place)
        part = place - cell
        index = cell.astype(np.int32) % 256
        soft = part * part * (3 - 2 * part)
        height += np.float32(weight) * (lattice[octave, index] * (1 - soft) + lattice[octave, index + 1] * soft)
        whole += weight
        weight *= roughness
    return height / np.float32(whole)


def field(
    rng: np.random.Generator, canvas: Canvas, across: float, down: float, octaves: int, roughness: float = 0.55
) -> Field:
    """Smooth noise [h, w] around 0.5, with about so many hills to a unit across and down."""
    lattices = rng.random((octaves, _PERIOD, _PERIOD), dtype=np.float32)
    weights = roughness ** np.arange(octaves, dtype=np.float32)
    lattices *= (weights / weights.sum())[:, None, None]
    rows = _weights(canvas.height, canvas.unit, down, octaves)
    columns = _weights(canvas.width, canvas.unit, across, octaves)
    # All octaves in one product: [h, octaves * p] x [octaves * p, w].
    left = np.einsum("ohp,opq->hoq", rows, lattices, optimize=True).reshape(canvas.height, -1)
    woven: Field = left @ columns.transpose(0, 2, 1).reshape(-1, canvas.width)
    return woven


@lru_cache(maxsize=64)
def _weights(pixels: int, unit: float, frequency: float, octaves: int) -> Field:
    """How much each lattice point [octave, pixel, point] counts for each pixel of a side, from its middle."""
    weights = np.zeros((octaves, pixels, _PERIOD), np.float32)
    place = (np.arange(pixels) + 0.5 - pixels / 2) / unit
    every = np.arange(pixels)
    for octave in range(octaves):
        at = place * frequency * 2**octave + _PERIOD / 2
        cell = np.floor(at).astype(int)
        soft = at - cell
        soft = soft * soft * (3 - 2 * soft)
        weights[octave, every, cell % _PERIOD] += (1 - soft).astype(np.float32)
        weights[octave, every, (cell + 1) % _PERIOD] += soft.astype(np.float32)
    return weights

"""What a landscape looks like in small, as numbers: how much of each of a dictionary of patches lies where."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

Floats = NDArray[np.float32]

SIDE = 96
"""Every picture is looked at in a square of this many pixels."""

_THRESHOLD = 1.0
_ROUNDS = 5


@dataclass(frozen=True, slots=True)
class Dictionary:
    """Filters [patch * patch * 3, count] for patches of a size, taken every so many pixels, pooled in a grid."""

    filters: Floats
    patch: int
    stride: int
    grid: tuple[int, int]

    def features(self, picture: Floats) -> Floats:
        """How strongly each filter answers in each cell of the grid, of a picture [h, w, 3] from 0 to 1."""
        height, width, patches = patches_of(picture, self.patch, self.stride)
        answers = np.maximum(patches @ self.filters - np.float32(_THRESHOLD), 0).reshape(height, width, -1)
        rows, columns = (
            np.linspace(0, size, cells + 1).astype(int) for size, cells in zip((height, width), self.grid, strict=True)
        )
        by_row = np.add.reduceat(answers, rows[:-1], 0)
        sums = np.add.reduceat(by_row, columns[:-1], 1)
        areas = np.diff(rows)[:, None] * np.diff(columns)[None]
        pooled: Floats = (sums / areas[..., None]).astype(np.float32).ravel()
        return pooled


def patches_of(picture: Floats, patch: int, stride: int) -> tuple[int, int, Floats]:
    """Rows, columns and the patches [rows * columns, patch * patch * 3], each without its brightness and contrast."""
    windows = np.lib.stride_tricks.sliding_window_view(picture, (patch, patch), (0, 1))[::stride, ::stride]
    flat = windows.reshape(windows.shape[0] * windows.shape[1], -1)
    flat = flat - flat.mean(1, keepdims=True)
    return windows.shape[0], windows.shape[1], flat / (flat.std(1, keepdims=True) + np.float32(0.04))


def learn_filters(pictures: list[Floats], patch: int, stride: int, count: int, rng: np.random.Generator) -> Floats:
    """Filters for the patches that such pictures are made of: whitening and spherical k-means (Coates and Ng, 2012)."""
    sampled = []
    for picture in pictures:
        patches = patches_of(picture, patch, stride)[2]
        sampled.append(patches[rng.integers(0, len(patches), 20)])
    patches = np.concatenate(sampled)
    values, vectors = np.linalg.eigh(patches.T @ patches / len(patches))
    whitening = (vectors / np.sqrt(values + 0.05)) @ vectors.T
    white = patches @ whitening
    centres = white[rng.permutation(len(white))[:count]]
    for _ in range(_ROUNDS):
        centres /= np.linalg.norm(centres, axis=1, keepdims=True) + 1e-6
        nearest = (white @ centres.T).argmax(1)
        spare = white[rng.integers(0, len(white), count)]
        members = [white[nearest == number] for number in range(count)]
        centres = np.stack([some.sum(0) if len(some) else spare[number] for number, some in enumerate(members)])
    centres /= np.linalg.norm(centres, axis=1, keepdims=True) + 1e-6
    filters: Floats = (whitening @ centres.T).astype(np.float32)
    return filters


def reduced(picture: NDArray[np.uint8]) -> Floats:
    """The picture [h, w, 3] as a square of `SIDE` pixels, from 0 to 1."""
    square = Image.fromarray(picture).resize((SIDE, SIDE), Image.Resampling.BOX)
    return np.asarray(square, np.float32) / np.float32(255)


def colours(picture: Floats, rows: int, columns: int) -> Floats:
    """Mean colours in a grid, and their squares."""
    height, width = picture.shape[0] // rows, picture.shape[1] // columns
    cut = picture[: rows * height, : columns * width]
    means = cut.reshape(rows, height, columns, width, 3).mean((1, 3)).ravel()
    return np.concatenate([means, means * means])

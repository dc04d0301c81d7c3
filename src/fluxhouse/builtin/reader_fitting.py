"""Fits the reader of landscapes to painted pictures: `python -m fluxhouse.builtin.reader_fitting [PICTURES [FILE]]`."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

from fluxhouse.builtin.painter.paint import paint
from fluxhouse.builtin.painter.sampling import one_of, sample_landscape
from fluxhouse.builtin.painter.scene import Kind, Landscape, Scene, Side, Style
from fluxhouse.builtin.reader_patches import Dictionary, Floats, learn_filters, reduced
from fluxhouse.builtin.reader_scenes import (
    ATTRIBUTES,
    SHIPPED,
    WHOLE,
    WINDOW,
    SceneReader,
    whole_features,
    window_features,
    window_of,
)

PICTURES = 4000
_SIZE = 192
_SEED = 20
_FILTERS = 160
_EMPTY = 0.3
"""Taken from the answer that nothing stands there: most sides are empty, which regression leans to."""

_RIDGE = {"attributes": 300.0, "kinds": 100.0}


def fit(count: int = PICTURES, seed: int = _SEED) -> SceneReader:
    """A reader fitted to so many pictures of random landscapes in all styles, and their mirror images."""
    rng = np.random.default_rng(seed)
    scenes = [landscape(rng) for _ in range(count)]
    pictures = [reduced(paint(scene, _SIZE, _SIZE)) for scene in scenes]
    some = pictures[:1500]
    halves = [picture.reshape(48, 2, 48, 2, 3).mean((1, 3)) for picture in some]
    whole = Dictionary(learn_filters(halves, *WHOLE[:2], _FILTERS, rng), *WHOLE)
    windows = [window_of(picture, Side.MIDDLE) for picture in some]
    window = Dictionary(learn_filters(windows, *WINDOW[:2], _FILTERS, rng), *WINDOW)
    mirrored = [*pictures, *(picture[:, ::-1] for picture in pictures)]
    attributes = _solved(
        np.stack([whole_features(picture, whole) for picture in mirrored]),
        np.tile(_attributes(scenes), (2, 1)),
        _RIDGE["attributes"],
    )
    standing = _kinds(scenes)
    kinds = _solved(
        np.stack([window_features(picture, side, window) for picture in mirrored for side in Side]),
        np.concatenate([standing, standing[:, ::-1]]).reshape(-1, standing.shape[2]),
        _RIDGE["kinds"],
    )
    kinds[-1, 0] -= _EMPTY
    return SceneReader(whole, window, attributes, kinds)


def landscape(rng: np.random.Generator) -> Scene:
    """A landscape in any style."""
    style = one_of(rng, tuple(Style))
    return Scene(sample_landscape(rng, landmarks=2), style, int(rng.integers(2**31)))


def _attributes(scenes: list[Scene]) -> Floats:
    """One row a scene, 1 at each of its attributes."""
    rows = []
    for scene in scenes:
        view = scene.subject
        assert isinstance(view, Landscape)
        owned = (scene.style, view.time, view.terrain, view.weather, view.body)
        members = zip(ATTRIBUTES.values(), owned, strict=True)
        rows.append([float(member is one) for attribute, one in members for member in attribute])
    return np.array(rows, np.float32)


def _kinds(scenes: list[Scene]) -> Floats:
    """For each scene and side, 1 at what stands there: nothing, or the kind."""
    standing = np.zeros((len(scenes), len(Side), len(Kind) + 1), np.float32)
    standing[:, :, 0] = 1
    for row, scene in zip(standing, scenes, strict=True):
        assert isinstance(scene.subject, Landscape)
        for landmark in scene.subject.landmarks:
            side = list(Side).index(landmark.side)
            row[side, 0], row[side, 1 + list(Kind).index(landmark.kind)] = 0, 1
    return standing


def _solved(features: Floats, answers: Floats, ridge: float) -> Floats:
    """Ridge regression on standardised features, as weights and a last row for the features as they are."""
    mean, spread = features.mean(0), features.std(0) + np.float32(1e-3)
    scaled = (features - mean) / spread
    normal = scaled.T @ scaled + np.float32(ridge) * np.eye(features.shape[1], dtype=np.float32)
    weights = np.linalg.solve(normal, scaled.T @ (answers - answers.mean(0))) / spread[:, None]
    return np.concatenate([weights, (answers.mean(0) - mean @ weights)[None]]).astype(np.float32)


def main() -> int:
    arguments = sys.argv[1:]
    if len(arguments) > 2 or not all(one.isdigit() for one in arguments[:1]):
        sys.stderr.write("usage: python -m fluxhouse.builtin.reader_fitting [PICTURES [FILE]]\n")
        return 2
    count = int(arguments[0]) if arguments else PICTURES
    fit(count).save(Path(arguments[1]) if len(arguments) > 1 else SHIPPED)
    return 0


if __name__ == "__main__":
    sys.exit(main())

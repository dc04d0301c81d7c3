"""Reads landscapes from pixels alone, by a classifier fitted to painted pictures and shipped with the package."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from fluxhouse.builtin.painter.scene import Body, Kind, Landmark, Side, Style, Terrain, Time, Weather
from fluxhouse.builtin.painter.sky import ACROSS
from fluxhouse.builtin.reader_patches import SIDE, Dictionary, Floats, colours, reduced

SHIPPED = Path(__file__).with_name("reader.npz")
"""What `python -m fluxhouse.builtin.reader_fitting` wrote last."""

ATTRIBUTES: dict[str, type[StrEnum]] = {
    "style": Style,
    "time": Time,
    "terrain": Terrain,
    "weather": Weather,
    "body": Body,
}
WHOLE, WINDOW = (6, 2, (5, 4)), (8, 3, (6, 3))
"""Patch size, stride and grid for the whole picture in half size, and for the window around each side."""

_TOP, _HALF = 22, 21
"""Where a window begins from above, and half its breadth, in pixels of the reduced picture."""


@dataclass(frozen=True, slots=True)
class View:
    """What is read from a picture of a landscape."""

    style: Style
    time: Time
    terrain: Terrain
    weather: Weather
    body: Body
    landmarks: tuple[Landmark, ...]


@dataclass(frozen=True, slots=True)
class SceneReader:
    """Two dictionaries with the weights [features + 1, answers] that stand on them, the last row being constant."""

    whole: Dictionary
    window: Dictionary
    attributes: Floats
    kinds: Floats

    @classmethod
    def load(cls, path: Path = SHIPPED) -> Self:
        """The reader that was fitted before."""
        with np.load(path) as arrays:
            filters = {name: arrays[name].astype(np.float32) for name in arrays.files}
        return cls(
            Dictionary(filters["whole"], *WHOLE),
            Dictionary(filters["window"], *WINDOW),
            filters["attributes"],
            filters["kinds"],
        )

    def save(self, path: Path) -> None:
        """Write it for `load`: weights in single, filters in half precision."""
        np.savez_compressed(
            path,
            whole=self.whole.filters.astype(np.float16),
            window=self.window.filters.astype(np.float16),
            attributes=self.attributes,
            kinds=self.kinds,
        )

    def read(self, picture: NDArray[np.uint8]) -> View:
        """The most likely of each attribute, and what stands on each side, of a picture [h, w, 3]."""
        small = reduced(picture)
        answers = whole_features(small, self.whole) @ self.attributes[:-1] + self.attributes[-1]
        found: dict[str, Any] = {}
        for name, attribute in ATTRIBUTES.items():
            members = list(attribute)
            found[name] = members[int(answers[: len(members)].argmax())]
            answers = answers[len(members) :]
        return View(**found, landmarks=self._landmarks(small))

    def _landmarks(self, small: Floats) -> tuple[Landmark, ...]:
        landmarks = []
        for side in Side:
            answers = window_features(small, side, self.window) @ self.kinds[:-1] + self.kinds[-1]
            if best := int(answers.argmax()):
                landmarks.append(Landmark(list(Kind)[best - 1], side))
        return tuple(landmarks)


def whole_features(small: Floats, dictionary: Dictionary) -> Floats:
    """Features of a reduced picture."""
    half = small.reshape(SIDE // 2, 2, SIDE // 2, 2, 3).mean((1, 3))
    return np.concatenate([dictionary.features(half), colours(small, 8, 8)])


def window_of(small: Floats, side: Side) -> Floats:
    """The part of a reduced picture in which a landmark on this side stands."""
    left = max(int(ACROSS[side] * SIDE) - _HALF, 0)
    return small[_TOP:, left : left + 2 * _HALF]


def window_features(small: Floats, side: Side, dictionary: Dictionary) -> Floats:
    """Features of the part of a reduced picture around a side."""
    window = window_of(small, side)
    return np.concatenate([dictionary.features(window), colours(window[:72], 6, 3)])

"""Draws scenes at random, so that whatever goes together in the world comes up."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from enum import StrEnum
from typing import TypeVar

import numpy as np

from fluxhouse.builtin.painter.examples import EXAMPLES
from fluxhouse.builtin.painter.scene import (
    Body,
    Colour,
    Figures,
    Form,
    Kind,
    Landmark,
    Landscape,
    Place,
    Scene,
    Shape,
    Side,
    Size,
    Style,
    Terrain,
    Time,
    Weather,
)

Choice = TypeVar("Choice")


class Stage(StrEnum):
    """How much of the world is drawn from, so that a model can learn it in steps."""

    SHAPE = "shape"
    """One shape."""

    SCENES = "scenes"
    """One shape, or a landscape in the photo style with at most one landmark."""

    FULL = "full"
    """None to three shapes, or a landscape in any style with up to two landmarks."""


STANDS_ON: dict[Terrain, tuple[Kind, ...]] = {
    Terrain.MOUNTAINS: (Kind.HOUSE, Kind.PAGODA, Kind.TREE, Kind.TORII),
    Terrain.HILLS: (Kind.HOUSE, Kind.TREE, Kind.PAGODA, Kind.TORII),
    Terrain.DUNES: (Kind.HOUSE, Kind.TREE, Kind.TORII, Kind.PAGODA),
    Terrain.FOREST: (Kind.HOUSE, Kind.PAGODA, Kind.TORII),
    Terrain.SEA: (Kind.SAILBOAT, Kind.LIGHTHOUSE, Kind.TORII),
    Terrain.LAKE: (Kind.SAILBOAT, Kind.HOUSE, Kind.TORII, Kind.PAGODA, Kind.TREE),
    Terrain.CITY: (Kind.PAGODA, Kind.TORII, Kind.TREE),
    Terrain.SNOW: (Kind.HOUSE, Kind.PAGODA, Kind.TORII, Kind.TREE),
    Terrain.ISLAND: (Kind.LIGHTHOUSE, Kind.SAILBOAT, Kind.HOUSE, Kind.TREE),
}
"""Which landmarks a terrain can carry."""

SHINES_AT: dict[Time, Body] = {
    Time.DAWN: Body.SUN,
    Time.DAY: Body.SUN,
    Time.GOLDEN_HOUR: Body.SUN,
    Time.SUNSET: Body.SUN,
    Time.DUSK: Body.MOON,
    Time.NIGHT: Body.MOON,
}

_COLUMN = {place: index % 3 for index, place in enumerate(Place)}
_ROW = {place: index // 3 for index, place in enumerate(Place)}
_LOOKALIKES = {frozenset({Colour.WHITE, Colour.PINK}), frozenset({Colour.RED, Colour.BROWN})}


def sample_scene(rng: np.random.Generator, stage: Stage) -> Scene:
    """A scene of this stage's part of the world."""
    seed = int(rng.integers(2**31))
    if stage is Stage.SHAPE:
        return Scene(_figures(rng, 1), Style.PHOTO, seed)
    if rng.random() < 0.05:
        return _example(rng, seed, stage)
    if stage is Stage.SCENES:
        if rng.random() < 0.4:
            return Scene(_figures(rng, 1), Style.PHOTO, seed)
        return Scene(sample_landscape(rng, landmarks=1), Style.PHOTO, seed)
    if rng.random() < 0.4:
        return Scene(_figures(rng, int(rng.choice(4, p=[0.03, 0.3, 0.4, 0.27]))), Style.PHOTO, seed)
    style = Style.PHOTO if rng.random() < 0.45 else one_of(rng, tuple(Style)[1:])
    return Scene(sample_landscape(rng, landmarks=2), style, seed)


def _example(rng: np.random.Generator, seed: int, stage: Stage) -> Scene:
    """A scene that one of the vendors' example prompts asks for; most of these would come up too rarely by chance."""
    known = [one for one in EXAMPLES if stage is Stage.FULL or one.style is Style.PHOTO]
    example = one_of(rng, known)
    if example.background is not None:
        shape = replace(sample_shape(rng, example.background), place=Place.CENTRE)
        return Scene(Figures(example.background, (shape,)), Style.PHOTO, seed)
    view = sample_landscape(rng, landmarks=0)
    terrain = example.terrain or one_of(rng, [one for one in Terrain if example.kind in (None, *STANDS_ON[one])])
    time, weather = example.time or view.time, example.weather or Weather.CLEAR
    body = Body.NONE if weather is Weather.RAIN else SHINES_AT[time]
    landmarks = () if example.kind is None else (Landmark(example.kind, view.side),)
    return Scene(
        Landscape(time, terrain, weather, body, one_of(rng, tuple(Side)), landmarks), example.style or Style.PHOTO, seed
    )


def one_of(rng: np.random.Generator, choices: Sequence[Choice]) -> Choice:
    """One of the choices, each as likely."""
    return choices[int(rng.integers(len(choices)))]


def sample_landscape(rng: np.random.Generator, landmarks: int) -> Landscape:
    """A landscape with up to so many landmarks, one more often than two."""
    time, terrain = one_of(rng, tuple(Time)), one_of(rng, tuple(Terrain))
    weather = sample_weather(rng, time)
    body = SHINES_AT[time] if weather in (Weather.CLEAR, Weather.CLOUDS) and rng.random() < 0.75 else Body.NONE
    count = min(int(rng.choice(3, p=[0.35, 0.55, 0.1])), landmarks)
    sides = rng.permutation(3)[:count]
    kinds = rng.permutation(len(STANDS_ON[terrain]))[:count]
    chosen = (Landmark(STANDS_ON[terrain][kind], tuple(Side)[side]) for kind, side in zip(kinds, sides, strict=True))
    return Landscape(time, terrain, weather, body, one_of(rng, tuple(Side)), tuple(chosen))


def sample_weather(rng: np.random.Generator, time: Time) -> Weather:
    """Clear more often than not; stars at night alone."""
    night = (0.3, 0.15, 0.35, 0.1, 0.1)
    day = (0.45, 0.3, 0.0, 0.13, 0.12)
    return tuple(Weather)[int(rng.choice(5, p=night if time is Time.NIGHT else day))]


def can_be_told_apart(one: Colour, other: Colour) -> bool:
    """Whether a shape of one colour stands out on a ground of the other."""
    return one is not other and frozenset({one, other}) not in _LOOKALIKES


def fits(shape: Shape, others: Sequence[Shape]) -> bool:
    """Whether a shape touches none of the others in a square picture."""
    for other in others:
        columns, rows = _COLUMN[shape.place] - _COLUMN[other.place], _ROW[shape.place] - _ROW[other.place]
        large = (shape.size is Size.LARGE) + (other.size is Size.LARGE)
        if columns**2 + rows**2 < (1, 3, 4)[large]:
            return False
    return True


def _figures(rng: np.random.Generator, count: int) -> Figures:
    background = one_of(rng, tuple(Colour))
    if count > 1 and rng.random() < 0.25:
        return _alike(rng, background, count)
    while True:
        shapes: list[Shape] = []
        for shape in (sample_shape(rng, background) for _ in range(8 * count)):
            if len(shapes) < count and fits(shape, shapes):
                shapes.append(shape)
        # Two large shapes may leave no place for a third: draw again from the start.
        if len(shapes) == count:
            return Figures(background, tuple(shapes))


def sample_shape(rng: np.random.Generator, background: Colour) -> Shape:
    """A shape that stands out on this ground."""
    colours = [colour for colour in Colour if can_be_told_apart(colour, background)]
    return Shape(one_of(rng, tuple(Form)), one_of(rng, colours), one_of(rng, tuple(Size)), one_of(rng, tuple(Place)))


def _alike(rng: np.random.Generator, background: Colour, count: int) -> Figures:
    """Two or three shapes that differ in their place alone, in a row or in a column."""
    one = sample_shape(rng, background)
    rows = ((Place.LEFT, Place.CENTRE, Place.RIGHT), (Place.TOP, Place.CENTRE, Place.BOTTOM))[int(rng.integers(2))]
    places = rows if count == 3 else (rows[0], rows[2])
    size = Size.SMALL if count == 3 else one.size
    return Figures(background, tuple(Shape(one.form, one.colour, size, place) for place in places))

"""Painting is the same on every call, shows the same at any size, and keeps flat colours flat to the rim."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from fluxhouse.builtin.painter.paint import paint
from fluxhouse.builtin.painter.sampling import Stage, sample_scene
from fluxhouse.builtin.painter.scene import (
    Body,
    Colour,
    Figures,
    Form,
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
from fluxhouse.builtin.painter.shapes import SRGB


def landscape(
    time: Time = Time.SUNSET,
    terrain: Terrain = Terrain.MOUNTAINS,
    weather: Weather = Weather.CLEAR,
    body: Body = Body.SUN,
    style: Style = Style.PHOTO,
) -> Scene:
    return Scene(Landscape(time, terrain, weather, body, Side.RIGHT, ()), style, 7)


def test_a_scene_has_one_picture() -> None:
    """Painted twice, every stage's scenes come out byte for byte the same."""
    rng = np.random.default_rng(4)
    for stage in (*Stage, *([Stage.FULL] * 9)):
        scene = sample_scene(rng, stage)
        assert np.array_equal(paint(scene, 96, 80), paint(scene, 96, 80))


@pytest.mark.parametrize(("width", "height"), [(1, 1), (16, 9), (33, 200), (448, 192)])
def test_any_size_can_be_painted(width: int, height: int) -> None:
    """Even one pixel; the picture has the size asked for, in all styles."""
    for style in Style:
        assert paint(landscape(style=style), width, height).shape == (height, width, 3)


@pytest.mark.parametrize("terrain", Terrain)
def test_another_size_shows_the_same(terrain: Terrain) -> None:
    """Four times the pixels, averaged, are nearly the smaller picture."""
    scene = landscape(terrain=terrain)
    small, large = paint(scene, 128, 128), Image.fromarray(paint(scene, 256, 256)).reduce(2)
    assert np.abs(small.astype(float) - np.asarray(large)).mean() < 3


@pytest.mark.parametrize("colour", Colour)
def test_colours_are_the_usual_ones_to_the_rim(colour: Colour) -> None:
    """The ground is one colour in every pixel around a shape, which has exactly its own."""
    other = Colour.WHITE if colour is not Colour.WHITE else Colour.BLACK
    shape = Shape(Form.SQUARE, other, Size.LARGE, Place.CENTRE)
    picture = paint(Scene(Figures(colour, (shape,)), Style.PHOTO, 1), 100, 100)
    assert (picture[[0, -1]] == SRGB[colour]).all()
    assert (picture[:, [0, -1]] == SRGB[colour]).all()
    assert tuple(picture[50, 50]) == SRGB[other]


def test_times_of_day_have_their_own_light() -> None:
    """Night is darkest, the day's sky is blue, and a sunset is red."""
    mean = {time: paint(landscape(time, body=Body.NONE), 64, 64)[:24].mean((0, 1)) for time in Time}
    brightness = {time: float(colour.sum()) for time, colour in mean.items()}
    assert min(brightness, key=lambda time: brightness[time]) is Time.NIGHT
    assert mean[Time.DAY][2] > mean[Time.DAY][0] + 60
    assert mean[Time.SUNSET][0] > mean[Time.SUNSET][2] + 20


def test_a_lake_mirrors_what_stands_above_it() -> None:
    """Turned upside down, the water looks much more like the land than the land of another lake does."""
    picture = paint(landscape(Time.DAY, Terrain.LAKE, body=Body.NONE), 128, 128).astype(float)
    waterline = round(0.6 * 128)
    above, water = picture[waterline - 40 : waterline][::-1], picture[waterline : waterline + 40]
    same = np.corrcoef(above.mean(2).ravel(), water.mean(2).ravel())[0, 1]
    assert same > 0.8


def test_film_noir_has_no_colour() -> None:
    """Its three channels are one."""
    picture = paint(landscape(style=Style.NOIR), 64, 64)
    assert (picture == picture[:, :, :1]).all()


def test_pixel_art_is_made_of_blocks() -> None:
    """At 96 pixels every block of two by two is of one colour."""
    picture = paint(landscape(style=Style.PIXEL), 96, 96)
    assert (picture[::2] == picture[1::2]).all()
    assert (picture[:, ::2] == picture[:, 1::2]).all()

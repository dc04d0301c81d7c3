"""Shapes are read back from pixels: all that was painted, and most of it from a worn picture."""

from __future__ import annotations

from io import BytesIO

import numpy as np
import pytest
from PIL import Image, ImageFilter

from fluxhouse.builtin.painter.paint import paint
from fluxhouse.builtin.painter.sampling import Stage, sample_scene
from fluxhouse.builtin.painter.scene import Colour, Figures, Place, Scene
from fluxhouse.builtin.painter.shapes import SRGB
from fluxhouse.builtin.reader_shapes import nearest, parts, read_figures


@pytest.fixture(scope="module")
def scenes() -> list[Scene]:
    """Forty with shapes or with none."""
    rng = np.random.default_rng(31)
    drawn = (sample_scene(rng, Stage.FULL) for _ in range(400))
    return [scene for scene in drawn if isinstance(scene.subject, Figures)][:40]


def in_order(figures: Figures) -> Figures:
    """With its shapes in rows from the top left, as they are read."""
    places = list(Place)
    return Figures(figures.background, tuple(sorted(figures.shapes, key=lambda shape: places.index(shape.place))))


@pytest.mark.parametrize(("width", "height"), [(256, 256), (192, 192), (512, 288)])
def test_what_was_painted_is_read(scenes: list[Scene], width: int, height: int) -> None:
    """Ground, and form, colour, size and place of each shape, in every one of forty pictures."""
    for scene in scenes:
        assert isinstance(scene.subject, Figures)
        assert read_figures(paint(scene, width, height)) == in_order(scene.subject)


def test_a_worn_picture_is_still_read(scenes: list[Scene]) -> None:
    """Blurred by a pixel, with noise on it and through a JPEG file, 97 of 100 shapes come out right."""
    rng = np.random.default_rng(5)
    right = asked = 0
    for scene in scenes:
        assert isinstance(scene.subject, Figures)
        soft = np.asarray(Image.fromarray(paint(scene, 256, 256)).filter(ImageFilter.GaussianBlur(1)), np.float64)
        worn = np.clip(soft + rng.normal(0, 5, soft.shape), 0, 255).astype(np.uint8)
        file = BytesIO()
        Image.fromarray(worn).save(file, "jpeg", quality=85)
        seen = read_figures(np.asarray(Image.open(file)))
        right += len(set(seen.shapes) & set(scene.subject.shapes))
        asked += len(scene.subject.shapes)
    assert right / asked >= 0.97


def test_an_empty_picture_has_no_shapes() -> None:
    """A flat picture is its ground alone, and so is one with a speck on it."""
    flat = np.full((64, 64, 3), SRGB[Colour.TEAL], np.uint8)
    assert read_figures(flat) == Figures(Colour.TEAL, ())
    flat[30:32, 30:32] = 255
    assert read_figures(flat) == Figures(Colour.TEAL, ())


def test_each_colour_is_nearest_to_itself() -> None:
    """Also a little darker."""
    for colour, rgb in SRGB.items():
        assert nearest(np.array(rgb)) is colour
        assert nearest(np.array(rgb) * 0.93) is colour


def test_parts_that_meet_later_are_one() -> None:
    """A letter U is one part; two strokes are two."""
    letter = np.zeros((6, 7), bool)
    letter[:, 1], letter[:, 5] = True, True
    assert [int(part.sum()) for part in parts(letter)] == [6, 6]
    letter[5, 1:6] = True
    assert [int(part.sum()) for part in parts(letter)] == [15]
    assert parts(np.zeros((3, 3), bool)) == []

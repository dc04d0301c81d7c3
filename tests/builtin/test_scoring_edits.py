"""An edit is right where what is asked changes and the rest stays."""

from __future__ import annotations

import numpy as np
import pytest

from fluxhouse.builtin.painter.edits import Change, Edit
from fluxhouse.builtin.painter.paint import paint
from fluxhouse.builtin.painter.scene import Colour, Figures, Form, Place, Scene, Shape, Size, Style
from fluxhouse.builtin.reader_scenes import SceneReader
from fluxhouse.builtin.scoring_edits import did_change, edits, moved_elsewhere, score_edits

STAR = Shape(Form.STAR, Colour.RED, Size.LARGE, Place.LEFT)
BLUE_STAR = Shape(Form.STAR, Colour.BLUE, Size.LARGE, Place.LEFT)


def scene(*shapes: Shape) -> Scene:
    return Scene(Figures(Colour.WHITE, shapes), Style.PHOTO, 1)


EDIT = Edit(scene(STAR), "make the star blue", scene(BLUE_STAR), Change.COLOUR)


@pytest.fixture(scope="module")
def reader() -> SceneReader:
    return SceneReader.load()


def test_the_painter_edits_rightly(reader: SceneReader) -> None:
    """Nine of ten changes are read as made, and no other pixel moves."""
    score = score_edits(edits(50, 4), lambda edit, *_: paint(edit.after, 192, 192), reader, 192)
    assert score.changes.asked.total() == 50
    assert score.changes.right.total() / 50 >= 0.9
    assert max(score.moved) == 0.0


def test_doing_nothing_is_wrong(reader: SceneReader) -> None:
    """The picture as it was changes nothing of what was asked."""
    before = paint(EDIT.before, 128, 128)
    assert not did_change(EDIT, before, reader)
    assert did_change(EDIT, paint(EDIT.after, 128, 128), reader)
    assert moved_elsewhere(EDIT, before, before) == 0.0


def test_what_moves_beside_the_edit_is_measured() -> None:
    """A quarter of the picture turned black is about a quarter of the other pixels."""
    before, after = paint(EDIT.before, 128, 128), paint(EDIT.after, 128, 128)
    after[:, 96:] = 0
    assert moved_elsewhere(EDIT, before, after) == pytest.approx(0.27, abs=0.02)


def test_a_picture_of_another_size_is_compared_too() -> None:
    """It is brought to the size of the picture before."""
    after = np.asarray(paint(EDIT.after, 256, 256))
    assert moved_elsewhere(EDIT, paint(EDIT.before, 128, 128), after) < 0.01

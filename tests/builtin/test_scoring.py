"""A score counts what is right, for each attribute that was asked for."""

from __future__ import annotations

import numpy as np
import pytest

from fluxhouse.builtin.painter.paint import paint
from fluxhouse.builtin.painter.sampling import Stage
from fluxhouse.builtin.painter.scene import Colour, Figures, Form, Place, Scene, Shape, Size, Style
from fluxhouse.builtin.reader_scenes import SceneReader
from fluxhouse.builtin.scoring import Picture, Score, count_right, matched, questions, score_prompts

RED_STAR = Shape(Form.STAR, Colour.RED, Size.LARGE, Place.LEFT)
BLUE_RING = Shape(Form.RING, Colour.BLUE, Size.SMALL, Place.TOP_RIGHT)


@pytest.fixture(scope="module")
def reader() -> SceneReader:
    return SceneReader.load()


def test_the_painter_scores_nearly_everything(reader: SceneReader) -> None:
    """What was painted is found to be what was asked: all of the shapes, and nearly all of the landscapes."""

    def painted(scene: Scene, prompt: str, seed: int) -> Picture:
        assert prompt
        assert seed >= 0
        return paint(scene, 192, 192)

    score = score_prompts(questions(80, 3), painted, reader)
    for attribute in ("background", "count", "one shape: all", "two or three shapes: all"):
        assert score.asked[attribute] > 3
        assert score.share(attribute) == 1.0
    for attribute in ("style", "terrain", "time of day", "object"):
        assert score.asked[attribute] > 20
        assert score.share(attribute) >= 0.9


def test_another_picture_scores_little(reader: SceneReader) -> None:
    """A grey picture, whatever was asked, has hardly anything right."""
    grey = np.full((128, 128, 3), 90, np.uint8)
    score = score_prompts(questions(40, 3, Stage.SCENES), lambda *_: grey, reader)
    assert score.share("one shape: colour") == 0.0
    assert score.share("object") < 0.3
    assert score.share("terrain") < 0.4


def test_each_attribute_counts_for_itself(reader: SceneReader) -> None:
    """Of the right form, place and size in the wrong colour, colour alone is wrong."""
    score = Score()
    wrong = Scene(Figures(Colour.WHITE, (Shape(Form.STAR, Colour.GREEN, Size.LARGE, Place.LEFT),)), Style.PHOTO, 1)
    count_right(score, Scene(Figures(Colour.WHITE, (RED_STAR,)), Style.PHOTO, 1), paint(wrong, 128, 128), reader)
    shares = {attribute: score.share(attribute) for attribute in score.asked}
    assert [attribute for attribute, share in shares.items() if share < 1] == ["one shape: colour", "one shape: all"]


def test_shapes_are_matched_whatever_their_order() -> None:
    """The one most alike counts, a missing one is none, and one too many is left over."""
    assert matched((RED_STAR, BLUE_RING), (BLUE_RING, RED_STAR)) == [(RED_STAR, RED_STAR), (BLUE_RING, BLUE_RING)]
    assert matched((RED_STAR, BLUE_RING), (BLUE_RING,)) == [(RED_STAR, None), (BLUE_RING, BLUE_RING)]
    assert matched((RED_STAR,), (BLUE_RING, RED_STAR)) == [(RED_STAR, RED_STAR)]


def test_the_same_questions_are_asked_again() -> None:
    """For one seed; for another, others."""
    assert list(questions(5, 1)) == list(questions(5, 1))
    assert list(questions(5, 1)) != list(questions(5, 2))

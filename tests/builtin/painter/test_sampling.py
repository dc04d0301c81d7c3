"""Scenes drawn at random cover the world and keep its rules."""

from __future__ import annotations

import numpy as np
import pytest

from fluxhouse.builtin.painter.paint import paint
from fluxhouse.builtin.painter.sampling import SHINES_AT, STANDS_ON, Stage, can_be_told_apart, sample_scene
from fluxhouse.builtin.painter.scene import (
    Body,
    Colour,
    Figures,
    Form,
    Kind,
    Landscape,
    Place,
    Scene,
    Size,
    Style,
    Terrain,
    Time,
    Weather,
)
from fluxhouse.builtin.reader_shapes import read_figures


@pytest.fixture(scope="module")
def scenes() -> list[Scene]:
    """A thousand of the whole world."""
    rng = np.random.default_rng(11)
    return [sample_scene(rng, Stage.FULL) for _ in range(1000)]


def test_the_first_stage_has_one_shape_each() -> None:
    """Nothing else is to be learnt there."""
    rng = np.random.default_rng(2)
    subjects = [sample_scene(rng, Stage.SHAPE).subject for _ in range(50)]
    assert all(isinstance(subject, Figures) and len(subject.shapes) == 1 for subject in subjects)


def test_the_second_stage_is_photographs_of_one_thing() -> None:
    """One shape, or a landscape with at most one landmark, in the photo style alone."""
    rng = np.random.default_rng(2)
    drawn = [sample_scene(rng, Stage.SCENES) for _ in range(200)]
    assert {scene.style for scene in drawn} == {Style.PHOTO}
    assert all(
        len(scene.subject.shapes) == 1 if isinstance(scene.subject, Figures) else len(scene.subject.landmarks) < 2
        for scene in drawn
    )


def test_everything_in_the_world_comes_up(scenes: list[Scene]) -> None:
    """Every word of every attribute, and every count of shapes from none to three."""
    figures = [scene.subject for scene in scenes if isinstance(scene.subject, Figures)]
    views = [scene.subject for scene in scenes if isinstance(scene.subject, Landscape)]
    shapes = [shape for one in figures for shape in one.shapes]
    assert {len(one.shapes) for one in figures} == {0, 1, 2, 3}
    assert {one.background for one in figures} == {shape.colour for shape in shapes} == set(Colour)
    assert {shape.form for shape in shapes} == set(Form)
    assert {shape.place for shape in shapes} == set(Place)
    assert {shape.size for shape in shapes} == set(Size)
    assert {view.time for view in views} == set(Time)
    assert {view.terrain for view in views} == set(Terrain)
    assert {view.weather for view in views} == set(Weather)
    assert {view.body for view in views} == set(Body)
    assert {one.kind for view in views for one in view.landmarks} == set(Kind)
    assert {scene.style for scene in scenes} == set(Style)


def test_landmarks_stand_where_they_can(scenes: list[Scene]) -> None:
    """A boat needs water, no two stand on one side, and the moon shines only when it is dark."""
    for scene in scenes:
        if isinstance(view := scene.subject, Landscape):
            assert all(one.kind in STANDS_ON[view.terrain] for one in view.landmarks)
            assert len({one.side for one in view.landmarks}) == len(view.landmarks)
            assert view.body in (Body.NONE, SHINES_AT[view.time])
            assert view.weather is not Weather.STARS or view.time is Time.NIGHT


def test_shapes_stand_apart(scenes: list[Scene]) -> None:
    """In square and in wide pictures as many separate parts are seen as shapes were drawn, each unlike the ground."""
    drawn = [scene for scene in scenes if isinstance(scene.subject, Figures) and len(scene.subject.shapes) > 1][:80]
    for number, scene in enumerate(drawn):
        assert isinstance(scene.subject, Figures)
        picture = paint(scene, 120, 120) if number % 2 else paint(scene, 180, 120)
        assert len(read_figures(picture).shapes) == len(scene.subject.shapes)
        assert all(can_be_told_apart(shape.colour, scene.subject.background) for shape in scene.subject.shapes)

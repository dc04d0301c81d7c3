"""An edit does what its instruction says and nothing else."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest

from fluxhouse.builtin.painter.edits import Change, Edit, sample_edit
from fluxhouse.builtin.painter.paint import paint
from fluxhouse.builtin.painter.scene import Figures, Landscape, Style
from fluxhouse.builtin.painter.words import COLOURS, KINDS

LOCAL = (Change.COLOUR, Change.FORM, Change.MOVE, Change.ADD_SHAPE, Change.REMOVE_SHAPE)


@pytest.fixture(scope="module")
def edits() -> list[Edit]:
    """Six hundred of all kinds."""
    rng = np.random.default_rng(8)
    return [sample_edit(rng) for _ in range(600)]


def test_every_change_comes_up(edits: list[Edit]) -> None:
    """Each at least a few times."""
    counted = Counter(edit.change for edit in edits)
    assert set(counted) == set(Change)
    assert min(counted.values()) >= 8


def test_the_scene_changes_and_its_seed_stays(edits: list[Edit]) -> None:
    """The two scenes differ, and only a change of style changes the style."""
    for edit in edits:
        assert edit.before != edit.after
        assert edit.before.seed == edit.after.seed
        assert (edit.before.style is edit.after.style) == (edit.change is not Change.STYLE)
        if edit.change is Change.STYLE:
            assert edit.before.subject == edit.after.subject


def test_an_instruction_names_what_it_asks_for(edits: list[Edit]) -> None:
    """A new colour's word, or a new landmark's, stands in it."""
    for edit in edits:
        before, after = edit.before.subject, edit.after.subject
        if isinstance(after, Figures) and isinstance(before, Figures) and edit.change is Change.COLOUR:
            (new,) = {shape.colour for shape in set(after.shapes) - set(before.shapes)}
            assert any(word in edit.instruction.lower() for word in COLOURS[new])
        if isinstance(after, Landscape) and isinstance(before, Landscape) and edit.change is Change.ADD_LANDMARK:
            (added,) = set(after.landmarks) - set(before.landmarks)
            assert any(word.lower() in edit.instruction.lower() for word in KINDS[added.kind])


def test_a_local_edit_leaves_other_pixels_alone(edits: list[Edit]) -> None:
    """Of shapes, only those pixels change that belong to the shape before or after."""
    chosen = [edit for edit in edits if edit.change in LOCAL][:60]
    for edit in chosen:
        before, after = paint(edit.before, 96, 96), paint(edit.after, 96, 96)
        changed = (before != after).any(2)
        ground = before[0, 0]
        touched = (before != ground).any(2) | (after != ground).any(2)
        assert changed.any()
        assert not (changed & ~touched).any()


def test_a_landmark_changes_only_its_surroundings(edits: list[Edit]) -> None:
    """Adding or removing one moves less than a third of a photograph's pixels, and nothing on the far side."""
    chosen = [
        edit
        for edit in edits
        if edit.change in (Change.ADD_LANDMARK, Change.REMOVE_LANDMARK) and edit.before.style is Style.PHOTO
    ][:25]
    for edit in chosen:
        before, after = paint(edit.before, 96, 96), paint(edit.after, 96, 96)
        assert 0 < (before != after).any(2).mean() < 1 / 3


def test_held_out_wordings_are_not_trained_on(edits: list[Edit]) -> None:
    """No instruction of one kind is ever one of the other."""
    rng = np.random.default_rng(9)
    held_out = {sample_edit(rng, held_out=True).instruction.lower() for _ in range(300)}
    assert not held_out & {edit.instruction.lower() for edit in edits}


def test_an_edit_depends_on_its_random_numbers_alone() -> None:
    """The same generator draws the same edit."""
    first, second = (sample_edit(np.random.default_rng(3)) for _ in range(2))
    assert first == second
    assert replace(first.after, subject=first.before.subject, style=first.before.style) == first.before

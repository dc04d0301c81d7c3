"""How well edits follow instructions: whether what is asked changes, and how much of the rest moves."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from fluxhouse.builtin.painter.edits import Change, Edit, sample_edit
from fluxhouse.builtin.painter.paint import paint
from fluxhouse.builtin.painter.scene import Figures, Landscape
from fluxhouse.builtin.reader_scenes import SceneReader, View
from fluxhouse.builtin.reader_shapes import read_figures
from fluxhouse.builtin.scoring import Picture, Score

MakeEdit = Callable[[Edit, Picture, int], Picture]
"""Makes the picture that an instruction asks for of a picture, with a seed."""

MOVED = 25.5
"""A tenth of the scale: a pixel whose strongest channel changes by more has moved."""

_WHOLE = frozenset({Change.TIME, Change.WEATHER, Change.STYLE, Change.BACKGROUND})
"""Changes of the whole picture, which leave no other pixels."""


@dataclass(frozen=True, slots=True)
class EditScore:
    """What is right by kind of change, and the share of other pixels that moved, one for each local edit."""

    changes: Score
    moved: list[float]


def edits(count: int, seed: int) -> Iterator[tuple[Edit, int]]:
    """So many edits in held-out wordings with the seeds to make them with."""
    rng = np.random.default_rng([seed, 100])
    for _ in range(count):
        yield sample_edit(rng, held_out=True), int(rng.integers(2**31))


def score_edits(asked: Iterator[tuple[Edit, int]], make: MakeEdit, reader: SceneReader, size: int) -> EditScore:
    """Have each edit made of the painter's own picture, and read."""
    score = EditScore(Score(), [])
    for edit, seed in asked:
        before = paint(edit.before, size, size)
        after = make(edit, before, seed)
        score.changes.count(edit.change, did_change(edit, after, reader))
        if edit.change not in _WHOLE:
            score.moved.append(moved_elsewhere(edit, before, after))
    return score


def did_change(edit: Edit, after: Picture, reader: SceneReader) -> bool:
    """Whether a picture shows what the instruction asks for."""
    wanted = edit.after.subject
    if isinstance(wanted, Figures):
        seen = read_figures(after)
        if edit.change is Change.BACKGROUND:
            return seen.background is wanted.background
        before = edit.before.subject.shapes if isinstance(edit.before.subject, Figures) else ()
        new, gone = set(wanted.shapes) - set(before), set(before) - set(wanted.shapes)
        return new <= set(seen.shapes) and not gone & set(seen.shapes)
    return _view_changed(edit, wanted, reader.read(after))


def _view_changed(edit: Edit, wanted: Landscape, seen: View) -> bool:
    match edit.change:
        case Change.TIME:
            return seen.time is wanted.time
        case Change.WEATHER:
            return seen.weather is wanted.weather
        case Change.STYLE:
            return seen.style is edit.after.style
        case Change.BODY:
            return seen.body is wanted.body
        case _:
            return {one.kind for one in seen.landmarks} == {one.kind for one in wanted.landmarks}


def moved_elsewhere(edit: Edit, before: Picture, after: Picture) -> float:
    """The share of the pixels that the painter's own edit leaves alone, and that moved nevertheless."""
    height, width = before.shape[:2]
    shown = np.asarray(Image.fromarray(after).resize((width, height), Image.Resampling.BOX))
    kept = ~_moved(before, paint(edit.after, width, height))
    return float((_moved(before, shown) & kept).sum() / max(kept.sum(), 1))


def _moved(one: Picture, other: Picture) -> NDArray[np.bool_]:
    moved: NDArray[np.bool_] = np.abs(one.astype(np.int16) - other).max(2) > MOVED
    return moved

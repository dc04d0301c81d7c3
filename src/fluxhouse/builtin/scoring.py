"""How well pictures follow prompts: asks in held-out wordings, has the pictures read, and counts what is right."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import permutations

import numpy as np
from numpy.typing import NDArray

from fluxhouse.builtin.captions import TIMELESS, caption
from fluxhouse.builtin.painter.sampling import Stage, sample_scene
from fluxhouse.builtin.painter.scene import Body, Figures, Landscape, Scene, Shape
from fluxhouse.builtin.reader_scenes import SceneReader
from fluxhouse.builtin.reader_shapes import read_figures

Picture = NDArray[np.uint8]
Make = Callable[[Scene, str, int], Picture]
"""Makes the picture of a prompt with a seed; the scene is for the painter, which is scored as the upper bound."""


@dataclass(frozen=True, slots=True)
class Question:
    """A prompt, the scene that it describes, and the seed to make its picture with."""

    scene: Scene
    prompt: str
    seed: int


@dataclass(slots=True)
class Score:
    """For each attribute, how often it was asked for and how often it was right."""

    asked: Counter[str] = field(default_factory=Counter)
    right: Counter[str] = field(default_factory=Counter)

    def count(self, attribute: str, right: bool) -> None:
        """One more asked for."""
        self.asked[attribute] += 1
        self.right[attribute] += right

    def share(self, attribute: str) -> float:
        """From 0 to 1; 0 where nothing was asked."""
        return self.right[attribute] / max(self.asked[attribute], 1)


def questions(count: int, seed: int, stage: Stage = Stage.FULL) -> Iterator[Question]:
    """So many prompts in held-out wordings; the same for the same seed."""
    rng = np.random.default_rng([seed, 500])
    for _ in range(count):
        scene = sample_scene(rng, stage)
        yield Question(scene, caption(scene, rng, held_out=True), int(rng.integers(2**31)))


def score_prompts(asked: Iterator[Question], make: Make, reader: SceneReader) -> Score:
    """Have each picture made and read."""
    score = Score()
    for question in asked:
        count_right(score, question.scene, make(question.scene, question.prompt, question.seed), reader)
    return score


def count_right(score: Score, scene: Scene, picture: Picture, reader: SceneReader) -> None:
    """Compare what a picture shows to what was asked for."""
    if isinstance(scene.subject, Figures):
        _count_figures(score, scene.subject, read_figures(picture))
    else:
        _count_landscape(score, scene, scene.subject, picture, reader)


def _count_figures(score: Score, asked: Figures, seen: Figures) -> None:
    score.count("background", seen.background is asked.background)
    score.count("count", len(seen.shapes) == len(asked.shapes))
    if not asked.shapes:
        return
    several = "one shape" if len(asked.shapes) == 1 else "two or three shapes"
    pairs = matched(asked.shapes, seen.shapes)
    for name in ("colour", "form", "place", "size"):
        for wanted, found in pairs:
            score.count(f"{several}: {name}", found is not None and getattr(wanted, name) is getattr(found, name))
    score.count(f"{several}: all", list(asked.shapes) == [found for _, found in pairs])


def matched(asked: tuple[Shape, ...], seen: tuple[Shape, ...]) -> list[tuple[Shape, Shape | None]]:
    """Each shape asked for with the one seen that it was most likely meant to be, or None where there are too few."""
    candidates: list[Shape | None] = [*seen[:5], *([None] * len(asked))]

    def agreement(order: tuple[Shape | None, ...]) -> int:
        pairs = [(wanted, found) for wanted, found in zip(asked, order, strict=True) if found is not None]
        return sum((w.form is f.form) + (w.colour is f.colour) + (w.place is f.place) + 1 for w, f in pairs)

    best = max(permutations(candidates, len(asked)), key=agreement)
    return list(zip(asked, best, strict=True))


def _count_landscape(score: Score, scene: Scene, asked: Landscape, picture: Picture, reader: SceneReader) -> None:
    seen = reader.read(picture)
    score.count("style", seen.style is scene.style)
    score.count("terrain", seen.terrain is asked.terrain)
    if scene.style not in TIMELESS:
        score.count("time of day", seen.time is asked.time)
    score.count("weather", seen.weather is asked.weather)
    score.count("sun or moon", (seen.body is Body.NONE) == (asked.body is Body.NONE))
    for landmark in asked.landmarks:
        score.count("object", landmark.kind in {one.kind for one in seen.landmarks})
        score.count("object on its side", landmark in seen.landmarks)

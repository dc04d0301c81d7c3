"""Captions say what a scene shows and nothing that it does not."""

from __future__ import annotations

import re
from collections.abc import Iterable
from enum import StrEnum

import numpy as np
import pytest

from fluxhouse.builtin.captions import TIMELESS, caption, plural
from fluxhouse.builtin.painter import words
from fluxhouse.builtin.painter.examples import EXAMPLES
from fluxhouse.builtin.painter.sampling import Stage, sample_scene
from fluxhouse.builtin.painter.scene import Body, Figures, Scene, Style, Weather

OF_SHAPES = (words.COLOURS, words.SIZES, words.FORMS)
OF_LANDSCAPES = (words.TIMES, words.TIME_NOUNS, words.TERRAINS, words.WEATHERS, words.KINDS, words.STYLES, words.BODIES)


def phrases(tables: Iterable[words.Words]) -> list[tuple[str, StrEnum]]:
    """Every phrase without its article, and a shape's plural, the longest first."""
    known = {}
    for table in tables:
        for attribute, spoken in table.items():
            for phrase in spoken:
                plain = re.sub(r"^(an?|the) ", "", phrase.lower())
                known[plain] = attribute
                if table is words.FORMS:
                    known[plural(plain)] = attribute
    return sorted(known.items(), key=lambda item: -len(item[0]))


SHAPE_PHRASES, LANDSCAPE_PHRASES = phrases(OF_SHAPES), phrases(OF_LANDSCAPES)


def named(text: str, known: list[tuple[str, StrEnum]]) -> set[StrEnum]:
    """The attributes that a text names: each longest phrase once, so that no part of it counts again."""
    found, rest = set(), text.lower()
    for phrase, attribute in known:
        pattern = rf"\b{re.escape(phrase)}\b"
        if re.search(pattern, rest):
            found.add(attribute)
            rest = re.sub(pattern, "|", rest)
    return found


def shown(scene: Scene) -> set[StrEnum]:
    """The attributes that a scene has."""
    subject = scene.subject
    if isinstance(subject, Figures):
        return {subject.background}.union(*({one.form, one.colour, one.size} for one in subject.shapes))
    kinds = {one.kind for one in subject.landmarks}
    return kinds | {subject.time, subject.terrain, subject.weather, subject.body, scene.style}


def known_of(scene: Scene) -> list[tuple[str, StrEnum]]:
    return SHAPE_PHRASES if isinstance(scene.subject, Figures) else LANDSCAPE_PHRASES


@pytest.fixture(scope="module")
def scenes() -> list[Scene]:
    rng = np.random.default_rng(21)
    return [sample_scene(rng, Stage.FULL) for _ in range(1000)]


def test_a_caption_says_nothing_that_is_not_there(scenes: list[Scene]) -> None:
    """Whatever colour, form, time, terrain, object or style it names, the scene has."""
    rng = np.random.default_rng(1)
    examples = {example.text for example in EXAMPLES}
    for scene in scenes:
        text = caption(scene, rng)
        if not any(text.rstrip(".").lower() == example.lower() for example in examples):
            assert named(text, known_of(scene)) <= shown(scene), text


def test_a_held_out_caption_says_all(scenes: list[Scene]) -> None:
    """Everything that the scene has and a picture can show, in whatever words."""
    rng = np.random.default_rng(2)
    for scene in scenes:
        text = caption(scene, rng, held_out=True)
        unsaid = {Body.NONE, Weather.CLEAR}
        if not isinstance(scene.subject, Figures) and scene.style in TIMELESS:
            unsaid |= {scene.subject.time}
        assert named(text, known_of(scene)) == shown(scene) - unsaid, text


def test_held_out_wordings_are_not_trained_on(scenes: list[Scene]) -> None:
    """Not one of them opens or frames as any caption of training does."""
    rng = np.random.default_rng(3)
    frame = re.compile(r"please draw|there (is|are)|show me|that shows|an empty picture, all")
    assert all(frame.search(caption(scene, rng, held_out=True).lower()) for scene in scenes)
    assert not any(frame.search(caption(scene, rng).lower()) for scene in scenes)


def test_one_scene_has_many_captions(scenes: list[Scene]) -> None:
    """Of thirty captions of a landscape at least twenty differ."""
    rng = np.random.default_rng(4)
    scene = next(one for one in scenes if not isinstance(one.subject, Figures) and one.subject.landmarks)
    assert len({caption(scene, rng) for _ in range(30)}) >= 20


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: example.text[:30])
def test_the_vendors_examples_belong_to_the_world(example, scenes: list[Scene]) -> None:
    """Each stands for scenes that are drawn, and what it names of our words contradicts none of them."""
    rng = np.random.default_rng(5)
    scene = next(one for one in scenes if example.fits(one))
    if example.background is None:
        said = {type(one): one for one in named(example.text, LANDSCAPE_PHRASES)}
        for attribute in (example.style, example.time, example.terrain, example.weather, example.kind):
            assert attribute is None or said.get(type(attribute), attribute) is attribute
    assert example.text.lower() in {caption(scene, rng).rstrip(".").lower() for _ in range(60)}


def test_the_plain_example_is_a_sunset_over_mountains() -> None:
    """The prompt of the vendors' own page names all that its picture shows."""
    first = EXAMPLES[0]
    assert first.text == "A sunset over a mountain range"
    assert named(first.text, LANDSCAPE_PHRASES) == {first.time, first.terrain}
    assert first.style is Style.PHOTO

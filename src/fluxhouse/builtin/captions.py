"""Says what a scene shows, in many wordings; those held out of training are for scoring alone."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from fluxhouse.builtin.painter.examples import EXAMPLES
from fluxhouse.builtin.painter.sampling import one_of
from fluxhouse.builtin.painter.scene import Body, Figures, Landmark, Landscape, Scene, Shape, Style, Time, Weather
from fluxhouse.builtin.painter.words import (
    BODIES,
    COLOURS,
    COUNTS,
    FORMS,
    KINDS,
    PLACES,
    SIDES,
    SIZES,
    STYLES,
    TERRAINS,
    TIME_NOUNS,
    TIMES,
    WEATHERS,
    Words,
    say,
    shape_words,
    with_article,
)

TIMELESS = frozenset({Style.NOIR, Style.SYNTHWAVE})
"""Styles with a light of their own, in which no caption names the time."""

_GROUNDS = ("on a {} background", "on a plain {} background", "{} background", "on {}", "on a solid {} backdrop")
_GROUNDS_HELD_OUT = ("against a {} backdrop", "over a solid {} ground")
_ROWS = {True: ("in a row", "side by side"), False: ("in a column", "one above the other")}
_FILLERS = ("beautiful", "stunning", "highly detailed", "dramatic", "cinematic", "4k", "peaceful", "masterpiece")
_FAIR = {"sky", "sunny", "bright", "clear", "daylight"}
"""Words that say that the weather is fair."""

_OPENINGS = ("an image of", "a drawing of", "draw", "show", "create", "an illustration of", "please make")


def caption(scene: Scene, rng: np.random.Generator, *, held_out: bool = False) -> str:
    """A caption of the scene, often a partial one; held out, it says all that can be read back from the picture."""
    fitting = [] if held_out or rng.random() > 0.25 else [one.text for one in EXAMPLES if one.fits(scene)]
    if fitting:
        return one_of(rng, fitting)
    subject = scene.subject
    if isinstance(subject, Figures):
        text = _figures_held_out(subject, rng) if held_out else _figures(subject, rng)
    else:
        text = (_landscape_held_out if held_out else _landscape)(subject, scene.style, rng)
    if not held_out and rng.random() < 0.08:
        text = f"{one_of(rng, _OPENINGS)} {text}"
    return _written(text, rng)


def _written(text: str, rng: np.random.Generator) -> str:
    """Capitals and full stops as people do them, or do not."""
    text = text[0].upper() + text[1:] if rng.random() < 0.5 else text
    return f"{text}." if rng.random() < 0.25 else text


def _figures(figures: Figures, rng: np.random.Generator) -> str:
    ground = one_of(rng, _GROUNDS).format(say(rng, COLOURS, figures.background))
    if not figures.shapes:
        return one_of(rng, ("a plain {} background", "nothing but {}", "an empty {} background")).format(
            say(rng, COLOURS, figures.background)
        )
    if _are_alike(figures.shapes):
        shown = _alike(figures.shapes, rng, rng.random() < 0.7)
    else:
        whole = rng.random() < (0.75 if len(figures.shapes) == 1 else 0.85)
        shown = _joined([_placed(shape, rng, whole or rng.random() < 0.5) for shape in figures.shapes], rng)
    match int(rng.integers(4)):
        case 0:
            return shown if rng.random() < 0.4 else f"{shown}, {ground}"
        case 1 if "background" in ground:
            return f"{ground.removeprefix('on ')} with {shown}"
        case _:
            return f"{shown} {ground}" if ground.startswith("on") else f"{shown}, {ground}"


def _placed(shape: Shape, rng: np.random.Generator, placed: bool) -> str:
    """One shape, with or without its size and its place."""
    words = with_article(shape_words(rng, shape, sized=rng.random() < 0.8))
    return f"{words} {say(rng, PLACES, shape.place)}" if placed else words


def _joined(parts: Sequence[str], rng: np.random.Generator) -> str:
    if len(parts) == 2 and rng.random() < 0.3:
        return f"{parts[0]}, {parts[1]}"
    return " and ".join(filter(None, (", ".join(parts[:-1]), parts[-1])))


def _are_alike(shapes: Sequence[Shape]) -> bool:
    return len(shapes) > 1 and len({(shape.form, shape.colour, shape.size) for shape in shapes}) == 1


def _alike(shapes: Sequence[Shape], rng: np.random.Generator, arranged: bool) -> str:
    one = shapes[0]
    size, colour = say(rng, SIZES, one.size), say(rng, COLOURS, one.colour)
    words = f"{COUNTS[len(shapes)]} {size} {colour} {plural(FORMS[one.form][0])}"
    in_row = shapes[0].place.value.endswith("left")
    return f"{words} {one_of(rng, _ROWS[in_row])}" if arranged else words


def plural(noun: str) -> str:
    """More than one of it."""
    return f"{noun}es" if noun.endswith(("s", "x")) else f"{noun}s"


def _figures_held_out(figures: Figures, rng: np.random.Generator) -> str:
    ground = one_of(rng, _GROUNDS_HELD_OUT).format(say(rng, COLOURS, figures.background))
    if not figures.shapes:
        return f"an empty picture, all {say(rng, COLOURS, figures.background)}"
    if _are_alike(figures.shapes):
        return f"there are {_alike(figures.shapes, rng, True)} {ground}"
    placed = [
        f"{with_article(shape_words(rng, shape))}, {PLACES[shape.place][0]}"
        if rng.random() < 0.5
        else f"{PLACES[shape.place][0]} {with_article(shape_words(rng, shape))}"
        for shape in figures.shapes
    ]
    return one_of(rng, ("there is {} {}", "please draw {} {}")).format("; ".join(placed), ground)


def _landscape(view: Landscape, style: Style, rng: np.random.Generator) -> str:
    timed = style not in TIMELESS and rng.random() < 0.92
    place = say(rng, TERRAINS, view.terrain)
    landmarks = [_landmark(one, rng) for one in view.landmarks if rng.random() < 0.93]
    if timed and rng.random() < 0.35:
        core = f"{_when(view, TIME_NOUNS, rng)} over {place}"
    else:
        core = f"{place} {_when(view, TIMES, rng)}" if timed else place
    extras = _extras(view, rng)
    rng.shuffle(extras)
    if landmarks and rng.random() < 0.3:
        core = f"{landmarks[0]} {one_of(rng, ('in front of', 'before', 'and'))} {core}"
    elif landmarks:
        core = f"{core} with {' and '.join(landmarks)}"
        landmarks = []
    text = ", ".join((core, *landmarks[1:], *extras))
    if rng.random() < 0.2:
        text = f"{text}, {one_of(rng, _FILLERS)}"
    return _styled(text, style, rng)


def _when(view: Landscape, words: Words[Time], rng: np.random.Generator) -> str:
    """The time, in words that do not belie the weather."""
    while True:
        when = say(rng, words, view.time)
        if view.weather is Weather.CLEAR or not _FAIR & set(when.split()):
            return when


def _landmark(landmark: Landmark, rng: np.random.Generator) -> str:
    words = say(rng, KINDS, landmark.kind)
    return f"{words} {say(rng, SIDES, landmark.side)}" if rng.random() < 0.75 else words


def _extras(view: Landscape, rng: np.random.Generator) -> list[str]:
    """Weather and body, where there is something to say of them."""
    extras = []
    if view.weather is not Weather.CLEAR or rng.random() < 0.1:
        extras.append(say(rng, WEATHERS, view.weather))
    if view.body is not Body.NONE and rng.random() < 0.7:
        side = f" {say(rng, SIDES, view.side)}" if rng.random() < 0.75 else ""
        extras.append(f"{say(rng, BODIES, view.body)}{side}")
    return extras


def _styled(text: str, style: Style, rng: np.random.Generator) -> str:
    words = say(rng, STYLES, style)
    if style is Style.PHOTO:
        return f"{words} of {text}" if rng.random() < 0.15 else text
    match int(rng.integers(3)):
        case 0:
            return f"{text}, {words.removeprefix('a ').removeprefix('an ')}"
        case 1:
            return f"{words}: {text}"
        case _:
            return f"{words} of {text}"


def _landscape_held_out(view: Landscape, style: Style, rng: np.random.Generator) -> str:
    place, words = say(rng, TERRAINS, view.terrain), say(rng, STYLES, style)
    when = "" if style in TIMELESS else f" {_when(view, TIMES, rng)}"
    parts = [f"{say(rng, KINDS, one.kind)} {SIDES[one.side][0]}" for one in view.landmarks]
    if view.body is not Body.NONE:
        parts.append(f"{say(rng, BODIES, view.body)} {SIDES[view.side][0]}")
    if view.weather is not Weather.CLEAR:
        parts.append(say(rng, WEATHERS, view.weather))
    seen = "; ".join(parts)
    if rng.random() < 0.5:
        return f"show me {place}{when} as {words}" + (f": {seen}" if seen else "")
    return f"{words} that shows {place}{when}" + (f"; {seen}" if seen else "")

"""Pairs of scenes of which the second does what an instruction asks of the first, and keeps the rest."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from enum import StrEnum

import numpy as np

from fluxhouse.builtin.painter.sampling import (
    SHINES_AT,
    STANDS_ON,
    Stage,
    can_be_told_apart,
    fits,
    one_of,
    sample_scene,
    sample_shape,
)
from fluxhouse.builtin.painter.scene import (
    Body,
    Colour,
    Figures,
    Form,
    Landmark,
    Landscape,
    Place,
    Scene,
    Side,
    Style,
    Time,
    Weather,
)
from fluxhouse.builtin.painter.words import (
    BODIES,
    COLOURS,
    FORMS,
    KINDS,
    PLACES,
    SIDES,
    STYLES,
    TIME_NOUNS,
    TIMES,
    WEATHERS,
    say,
    shape_words,
    with_article,
)


class Change(StrEnum):
    """What an instruction asks to change."""

    COLOUR = "colour"
    FORM = "form"
    MOVE = "move"
    BACKGROUND = "background"
    ADD_SHAPE = "add a shape"
    REMOVE_SHAPE = "remove a shape"
    TIME = "time"
    WEATHER = "weather"
    STYLE = "style"
    BODY = "body"
    ADD_LANDMARK = "add a landmark"
    REMOVE_LANDMARK = "remove a landmark"
    REPLACE_LANDMARK = "replace a landmark"


@dataclass(frozen=True, slots=True)
class Edit:
    """A scene, what is asked of it, and the scene that answers; both share their seed."""

    before: Scene
    instruction: str
    after: Scene
    change: Change


Draw = Callable[[Scene, np.random.Generator, bool], Edit | None]


def sample_edit(rng: np.random.Generator, *, held_out: bool = False) -> Edit:
    """An edit of a random scene, half of them of shapes; held-out wordings are never used otherwise."""
    changes = tuple(_OF_FIGURES) if rng.random() < 0.5 else tuple(_OF_LANDSCAPES)
    while True:
        scene, change = sample_scene(rng, Stage.FULL), one_of(rng, changes)
        draws = _OF_FIGURES if isinstance(scene.subject, Figures) else _OF_LANDSCAPES
        if change in draws and (edit := draws[change](scene, rng, held_out)) is not None:
            return edit


def _edit(before: Scene, subject: Figures | Landscape, instruction: str, change: Change) -> Edit | None:
    """The edit, unless it would change nothing."""
    if subject == before.subject:
        return None
    return Edit(before, instruction, replace(before, subject=subject), change)


def _worded(
    rng: np.random.Generator, held_out: bool, known: tuple[str, ...], kept: tuple[str, ...], *words: str
) -> str:
    text = one_of(rng, kept if held_out else known).format(*words)
    return text[0].upper() + text[1:] if rng.random() < 0.4 else text


def _unique(figures: Figures, rng: np.random.Generator) -> int | None:
    """The number of a shape that its colour and form alone tell from the others."""
    named = [(shape.colour, shape.form) for shape in figures.shapes]
    single = [number for number, name in enumerate(named) if named.count(name) == 1]
    return one_of(rng, single) if single else None


def _named(figures: Figures, number: int, rng: np.random.Generator) -> str:
    """`circle` where there is only one, else `red circle`."""
    shape = figures.shapes[number]
    alone = sum(one.form is shape.form for one in figures.shapes) == 1
    form = FORMS[shape.form][0]
    return form if alone and rng.random() < 0.6 else f"{say(rng, COLOURS, shape.colour)} {form}"


def _recolour(scene: Scene, rng: np.random.Generator, held_out: bool) -> Edit | None:
    figures = scene.subject
    assert isinstance(figures, Figures)
    if (number := _unique(figures, rng)) is None:
        return None
    colours = [one for one in Colour if can_be_told_apart(one, figures.background)]
    colour, name = one_of(rng, colours), _named(figures, number, rng)
    text = _worded(
        rng,
        held_out,
        ("make the {} {}", "change the {} to {}", "paint the {} {}", "turn the {} {}"),
        ("the {} should be {}", "recolor the {} in {}"),
        name,
        say(rng, COLOURS, colour),
    )
    return _edit(scene, _swap(figures, number, colour=colour), text, Change.COLOUR)


def _swap(figures: Figures, number: int, **changed: object) -> Figures:
    shapes = list(figures.shapes)
    shapes[number] = replace(shapes[number], **changed)  # type: ignore[arg-type]
    return replace(figures, shapes=tuple(shapes))


def _reform(scene: Scene, rng: np.random.Generator, held_out: bool) -> Edit | None:
    figures = scene.subject
    assert isinstance(figures, Figures)
    if (number := _unique(figures, rng)) is None:
        return None
    form, name = one_of(rng, tuple(Form)), _named(figures, number, rng)
    text = _worded(
        rng,
        held_out,
        ("turn the {} into {}", "replace the {} with {}", "change the {} into {}"),
        ("swap the {} for {}", "instead of the {}, draw {}"),
        name,
        with_article(FORMS[form][0]),
    )
    return _edit(scene, _swap(figures, number, form=form), text, Change.FORM)


def _move(scene: Scene, rng: np.random.Generator, held_out: bool) -> Edit | None:
    figures = scene.subject
    assert isinstance(figures, Figures)
    if (number := _unique(figures, rng)) is None:
        return None
    place, name = one_of(rng, tuple(Place)), _named(figures, number, rng)
    moved = _swap(figures, number, place=place)
    if not fits(moved.shapes[number], [one for n, one in enumerate(moved.shapes) if n != number]):
        return None
    where = place.value if place.value != "centre" else "middle"
    text = _worded(
        rng, held_out, ("move the {} to the {}", "put the {} at the {}"), ("shift the {} over to the {}",), name, where
    )
    return _edit(scene, moved, text, Change.MOVE)


def _reground(scene: Scene, rng: np.random.Generator, held_out: bool) -> Edit | None:
    figures = scene.subject
    assert isinstance(figures, Figures)
    colour = one_of(rng, tuple(Colour))
    if not all(can_be_told_apart(shape.colour, colour) for shape in figures.shapes):
        return None
    text = _worded(
        rng,
        held_out,
        ("make the background {}", "change the background to {}", "{} background"),
        ("the background should be {}", "repaint the backdrop {}"),
        say(rng, COLOURS, colour),
    )
    return _edit(scene, replace(figures, background=colour), text, Change.BACKGROUND)


def _add_shape(scene: Scene, rng: np.random.Generator, held_out: bool) -> Edit | None:
    figures = scene.subject
    assert isinstance(figures, Figures)
    shape = sample_shape(rng, figures.background)
    if len(figures.shapes) > 2 or not fits(shape, figures.shapes):
        return None
    text = _worded(
        rng,
        held_out,
        ("add {} {}", "put {} {}", "draw {} {}"),
        ("there should also be {} {}",),
        with_article(shape_words(rng, shape)),
        say(rng, PLACES, shape.place),
    )
    return _edit(scene, replace(figures, shapes=(*figures.shapes, shape)), text, Change.ADD_SHAPE)


def _remove_shape(scene: Scene, rng: np.random.Generator, held_out: bool) -> Edit | None:
    figures = scene.subject
    assert isinstance(figures, Figures)
    if len(figures.shapes) < 2 or (number := _unique(figures, rng)) is None:
        return None
    kept = tuple(shape for n, shape in enumerate(figures.shapes) if n != number)
    text = _worded(
        rng,
        held_out,
        ("remove the {}", "delete the {}", "take away the {}"),
        ("get rid of the {}", "erase the {}"),
        _named(figures, number, rng),
    )
    return _edit(scene, replace(figures, shapes=kept), text, Change.REMOVE_SHAPE)


_OF_FIGURES: dict[Change, Draw] = {
    Change.COLOUR: _recolour,
    Change.FORM: _reform,
    Change.MOVE: _move,
    Change.BACKGROUND: _reground,
    Change.ADD_SHAPE: _add_shape,
    Change.REMOVE_SHAPE: _remove_shape,
}


def _retime(scene: Scene, rng: np.random.Generator, held_out: bool) -> Edit | None:
    view = scene.subject
    assert isinstance(view, Landscape)
    if scene.style in (Style.NOIR, Style.SYNTHWAVE):
        return None
    time = one_of(rng, tuple(Time))
    weather = Weather.CLEAR if view.weather is Weather.STARS and time is not Time.NIGHT else view.weather
    body = view.body if view.body is Body.NONE else SHINES_AT[time]
    if rng.random() < 0.5:
        known, kept = ("make it {}", "change the time to {}", "turn it into {}"), ("the time should be {}",)
        text = _worded(rng, held_out, known, kept, say(rng, TIME_NOUNS, time))
    else:
        known, kept = ("show it {}", "the same place {}", "make it look like {}"), ("how does this look {}?",)
        text = _worded(rng, held_out, known[:2], kept, say(rng, TIMES, time))
    return _edit(scene, replace(view, time=time, weather=weather, body=body), text, Change.TIME)


_WEATHER_EDITS = {
    Weather.CLEAR: ("make the sky clear", "clear up the weather"),
    Weather.CLOUDS: ("add clouds", "make it cloudy", "add clouds to the sky"),
    Weather.STARS: ("add stars", "make the sky starry", "fill the sky with stars"),
    Weather.FOG: ("add fog", "make it foggy", "wrap it in fog"),
    Weather.RAIN: ("make it rain", "add rain", "let it rain"),
}


def _reweather(scene: Scene, rng: np.random.Generator, held_out: bool) -> Edit | None:
    view = scene.subject
    assert isinstance(view, Landscape)
    weather = one_of(rng, tuple(Weather))
    if weather is Weather.STARS and view.time is not Time.NIGHT:
        return None
    hidden = weather in (Weather.RAIN, Weather.FOG)
    body = Body.NONE if hidden else view.body
    text = (
        _worded(rng, True, (), ("the same scene {}", "it should be {}"), WEATHERS[weather][0])
        if held_out
        else _worded(rng, False, _WEATHER_EDITS[weather], ())
    )
    return _edit(scene, replace(view, weather=weather, body=body), text, Change.WEATHER)


def _restyle(scene: Scene, rng: np.random.Generator, held_out: bool) -> Edit | None:
    style = one_of(rng, tuple(Style))
    if style is scene.style:
        return None
    text = _worded(
        rng,
        held_out,
        ("make it {}", "turn this into {}", "in the style of {}", "as {}"),
        ("render the picture as {}", "now as {}, please"),
        say(rng, STYLES, style),
    )
    return Edit(scene, text, replace(scene, style=style), Change.STYLE)


def _rebody(scene: Scene, rng: np.random.Generator, held_out: bool) -> Edit | None:
    view = scene.subject
    assert isinstance(view, Landscape)
    if view.weather in (Weather.RAIN, Weather.FOG):
        return None
    body = SHINES_AT[view.time]
    name = BODIES[body][0]
    if view.body is not Body.NONE and rng.random() < 0.4:
        text = _worded(rng, held_out, ("remove {}", "take away {}", "hide {}"), ("get rid of {}",), name)
        return _edit(scene, replace(view, body=Body.NONE), text, Change.BODY)
    side = one_of(rng, tuple(Side))
    known = ("add {} {}", "put {} {}") if view.body is Body.NONE else ("move {} so that it is {}", "put {} {}")
    text = _worded(rng, held_out, known, ("{} should be {}",), name, say(rng, SIDES, side))
    return _edit(scene, replace(view, body=body, side=side), text, Change.BODY)


def _add_landmark(scene: Scene, rng: np.random.Generator, held_out: bool) -> Edit | None:
    view = scene.subject
    assert isinstance(view, Landscape)
    side, kind = one_of(rng, tuple(Side)), one_of(rng, STANDS_ON[view.terrain])
    if len(view.landmarks) > 1 or any(one.side is side or one.kind is kind for one in view.landmarks):
        return None
    text = _worded(
        rng,
        held_out,
        ("add {} {}", "put {} {}", "place {} {}"),
        ("there should be {} {}", "I want {} {}"),
        say(rng, KINDS, kind),
        say(rng, SIDES, side),
    )
    return _edit(scene, replace(view, landmarks=(*view.landmarks, Landmark(kind, side))), text, Change.ADD_LANDMARK)


def _remove_landmark(scene: Scene, rng: np.random.Generator, held_out: bool) -> Edit | None:
    view = scene.subject
    assert isinstance(view, Landscape)
    if not view.landmarks:
        return None
    gone = one_of(rng, view.landmarks)
    known, kept = ("remove the {}", "delete the {}", "take away the {}"), ("get rid of the {}", "erase the {}")
    text = _worded(rng, held_out, known, kept, gone.kind.value)
    return _edit(
        scene,
        replace(view, landmarks=tuple(one for one in view.landmarks if one != gone)),
        text,
        Change.REMOVE_LANDMARK,
    )


def _replace_landmark(scene: Scene, rng: np.random.Generator, held_out: bool) -> Edit | None:
    view = scene.subject
    assert isinstance(view, Landscape)
    kind = one_of(rng, STANDS_ON[view.terrain])
    if not view.landmarks or any(one.kind is kind for one in view.landmarks):
        return None
    gone = one_of(rng, view.landmarks)
    landmarks = tuple(Landmark(kind, one.side) if one == gone else one for one in view.landmarks)
    known, kept = ("replace the {} with {}", "turn the {} into {}"), ("swap the {} for {}",)
    text = _worded(rng, held_out, known, kept, gone.kind.value, say(rng, KINDS, kind))
    return _edit(scene, replace(view, landmarks=landmarks), text, Change.REPLACE_LANDMARK)


_OF_LANDSCAPES: dict[Change, Draw] = {
    Change.TIME: _retime,
    Change.WEATHER: _reweather,
    Change.STYLE: _restyle,
    Change.BODY: _rebody,
    Change.ADD_LANDMARK: _add_landmark,
    Change.REMOVE_LANDMARK: _remove_landmark,
    Change.REPLACE_LANDMARK: _replace_landmark,
}

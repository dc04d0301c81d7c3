"""What a picture shows, as plain values: coloured shapes on a flat ground, or a landscape with its light and style."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any


class Colour(StrEnum):
    """The twelve colours a shape or a ground can have."""

    RED = "red"
    ORANGE = "orange"
    YELLOW = "yellow"
    GREEN = "green"
    TEAL = "teal"
    BLUE = "blue"
    PURPLE = "purple"
    PINK = "pink"
    BROWN = "brown"
    GREY = "grey"
    BLACK = "black"
    WHITE = "white"


class Form(StrEnum):
    """What a shape is."""

    CIRCLE = "circle"
    SQUARE = "square"
    TRIANGLE = "triangle"
    STAR = "star"
    RING = "ring"
    CROSS = "cross"


class Size(StrEnum):
    """How much of the picture's shorter side a shape takes."""

    SMALL = "small"
    LARGE = "large"


class Place(StrEnum):
    """Where a shape stands: a field of three by three."""

    TOP_LEFT = "top left"
    TOP = "top"
    TOP_RIGHT = "top right"
    LEFT = "left"
    CENTRE = "centre"
    RIGHT = "right"
    BOTTOM_LEFT = "bottom left"
    BOTTOM = "bottom"
    BOTTOM_RIGHT = "bottom right"


class Time(StrEnum):
    """The light of a landscape."""

    DAWN = "dawn"
    DAY = "day"
    GOLDEN_HOUR = "golden hour"
    SUNSET = "sunset"
    DUSK = "dusk"
    NIGHT = "night"


class Terrain(StrEnum):
    """What lies under the sky."""

    MOUNTAINS = "mountains"
    HILLS = "hills"
    DUNES = "dunes"
    FOREST = "forest"
    SEA = "sea"
    LAKE = "lake"
    CITY = "city"
    SNOW = "snow"
    ISLAND = "island"


class Weather(StrEnum):
    """What the air holds."""

    CLEAR = "clear"
    CLOUDS = "clouds"
    STARS = "stars"
    FOG = "fog"
    RAIN = "rain"


class Body(StrEnum):
    """What shines in the sky."""

    NONE = "none"
    SUN = "sun"
    MOON = "moon"


class Side(StrEnum):
    """Where something stands in a landscape."""

    LEFT = "left"
    MIDDLE = "middle"
    RIGHT = "right"


class Kind(StrEnum):
    """What a landmark is."""

    HOUSE = "house"
    LIGHTHOUSE = "lighthouse"
    SAILBOAT = "sailboat"
    TORII = "torii gate"
    PAGODA = "pagoda"
    TREE = "tree"


class Style(StrEnum):
    """How a landscape is painted."""

    PHOTO = "photo"
    WATERCOLOR = "watercolor"
    NOIR = "film noir"
    PIXEL = "pixel art"
    SYNTHWAVE = "synthwave"
    POSTER = "swiss poster"
    PASTEL = "pastel"


@dataclass(frozen=True, slots=True)
class Shape:
    """One shape of one flat colour."""

    form: Form
    colour: Colour
    size: Size
    place: Place


@dataclass(frozen=True, slots=True)
class Figures:
    """None to three shapes that do not touch, on a flat ground of another colour that reaches the rim."""

    background: Colour
    shapes: tuple[Shape, ...]


@dataclass(frozen=True, slots=True)
class Landmark:
    """Something built or grown that stands in a landscape."""

    kind: Kind
    side: Side


@dataclass(frozen=True, slots=True)
class Landscape:
    """A view; `side` is where the body shines, and says nothing where there is none."""

    time: Time
    terrain: Terrain
    weather: Weather
    body: Body
    side: Side
    landmarks: tuple[Landmark, ...]


@dataclass(frozen=True, slots=True)
class Scene:
    """Everything a picture depends on but its size; `seed` draws what has no word, such as the line of a ridge."""

    subject: Figures | Landscape
    style: Style
    seed: int


def as_json(scene: Scene) -> dict[str, Any]:
    """The scene as JSON's own types."""
    return asdict(scene)


def from_json(written: Mapping[str, Any]) -> Scene:
    """The scene that `as_json` wrote; raises `KeyError` or `ValueError` where it is none."""
    subject = written["subject"]
    return Scene(
        _figures(subject) if "shapes" in subject else _landscape(subject), Style(written["style"]), written["seed"]
    )


def _figures(written: Mapping[str, Any]) -> Figures:
    shapes = (
        Shape(Form(one["form"]), Colour(one["colour"]), Size(one["size"]), Place(one["place"]))
        for one in written["shapes"]
    )
    return Figures(Colour(written["background"]), tuple(shapes))


def _landscape(written: Mapping[str, Any]) -> Landscape:
    return Landscape(
        Time(written["time"]),
        Terrain(written["terrain"]),
        Weather(written["weather"]),
        Body(written["body"]),
        Side(written["side"]),
        tuple(Landmark(Kind(one["kind"]), Side(one["side"])) for one in written["landmarks"]),
    )

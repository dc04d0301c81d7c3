"""What people call the things of the world: for each attribute its words, the plainest first."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import TypeVar

import numpy as np

from fluxhouse.builtin.painter.scene import (
    Body,
    Colour,
    Form,
    Kind,
    Place,
    Shape,
    Side,
    Size,
    Style,
    Terrain,
    Time,
    Weather,
)

Attribute = TypeVar("Attribute", bound=StrEnum)
Words = Mapping[Attribute, tuple[str, ...]]

COLOURS: Words[Colour] = {colour: (colour.value,) for colour in Colour} | {
    Colour.GREY: ("grey", "gray"),
    Colour.PURPLE: ("purple", "violet"),
}

FORMS: Words[Form] = {
    Form.CIRCLE: ("circle", "circle", "disc", "dot", "ball"),
    Form.SQUARE: ("square", "square", "box", "block"),
    Form.TRIANGLE: ("triangle",),
    Form.STAR: ("star", "five-pointed star"),
    Form.RING: ("ring", "ring", "hoop"),
    Form.CROSS: ("cross", "cross", "plus sign"),
}
SIZES: Words[Size] = {Size.SMALL: ("small", "little", "tiny"), Size.LARGE: ("large", "big", "huge")}

PLACES: Words[Place] = {
    Place.TOP_LEFT: ("in the top left corner", "at the top left", "in the upper left", "top left"),
    Place.TOP: ("at the top", "at the top in the middle", "top center", "near the top edge"),
    Place.TOP_RIGHT: ("in the top right corner", "at the top right", "in the upper right", "top right"),
    Place.LEFT: ("on the left", "on the left side", "at the left", "to the left"),
    Place.CENTRE: ("in the middle", "in the center", "at the centre", "centered"),
    Place.RIGHT: ("on the right", "on the right side", "at the right", "to the right"),
    Place.BOTTOM_LEFT: ("in the bottom left corner", "at the bottom left", "in the lower left", "bottom left"),
    Place.BOTTOM: ("at the bottom", "at the bottom in the middle", "bottom center", "near the bottom edge"),
    Place.BOTTOM_RIGHT: ("in the bottom right corner", "at the bottom right", "in the lower right", "bottom right"),
}

TIMES: Words[Time] = {
    Time.DAWN: ("at dawn", "at sunrise", "at daybreak", "early in the morning", "in the pale light of dawn"),
    Time.DAY: ("at noon", "in daylight", "on a sunny day", "at midday", "during the day", "under a blue sky"),
    Time.GOLDEN_HOUR: ("at golden hour", "in golden light", "in warm golden light", "golden hour"),
    Time.SUNSET: ("at sunset", "at sundown", "at sunset", "in the evening glow"),
    Time.DUSK: ("at dusk", "at twilight", "at blue hour", "after sundown, at dusk", "blue hour"),
    Time.NIGHT: ("at night", "at midnight", "by night", "after dark", "in the dark of night"),
}
"""When, after what is seen."""

TIME_NOUNS: Words[Time] = {
    Time.DAWN: ("dawn", "sunrise", "a pink dawn", "daybreak"),
    Time.DAY: ("a bright day", "noon", "a blue sky", "a clear midday sky"),
    Time.GOLDEN_HOUR: ("golden hour", "golden light", "the golden hour"),
    Time.SUNSET: ("a sunset", "sunset", "a red sunset", "a fiery sunset"),
    Time.DUSK: ("dusk", "twilight", "the blue hour"),
    Time.NIGHT: ("night", "a dark night", "midnight"),
}
"""When, before the place over which it is."""

TERRAINS: Words[Terrain] = {
    Terrain.MOUNTAINS: ("mountains", "a mountain range", "a mountain landscape", "rugged peaks", "the mountains"),
    Terrain.HILLS: ("rolling hills", "green hills", "hills", "a hilly countryside", "meadows on hills"),
    Terrain.DUNES: ("desert dunes", "sand dunes", "a desert", "the desert", "dunes"),
    Terrain.FOREST: ("a forest", "a pine forest", "fir woods", "the woods", "a forest of firs"),
    Terrain.SEA: ("the sea", "the ocean", "the open sea", "the calm ocean", "a seascape"),
    Terrain.LAKE: ("a lake", "a mountain lake", "a still lake", "a lake with reflections", "a calm lake"),
    Terrain.CITY: ("a city skyline", "a city", "a skyline of skyscrapers", "downtown towers", "a cityscape"),
    Terrain.SNOW: ("a snowy landscape", "snow", "a winter landscape", "snowy mountains", "snow-covered fields"),
    Terrain.ISLAND: ("an island", "a small island", "an island in the sea", "a lonely island"),
}

WEATHERS: Words[Weather] = {
    Weather.CLEAR: ("under a clear sky", "with a clear sky", "clear sky"),
    Weather.CLOUDS: ("with clouds", "under a cloudy sky", "with drifting clouds", "clouds in the sky", "cloudy"),
    Weather.STARS: ("under the stars", "with a starry sky", "under a sky full of stars", "with bright stars", "starry"),
    Weather.FOG: ("in the fog", "in thick fog", "with mist", "foggy", "misty", "wrapped in fog"),
    Weather.RAIN: ("in the rain", "in heavy rain", "on a rainy day", "rainy", "with pouring rain"),
}
BODIES: Words[Body] = {
    Body.SUN: ("the sun", "a glowing sun", "the sun"),
    Body.MOON: ("the moon", "a full moon", "a pale moon"),
}
SIDES: Words[Side] = {
    Side.LEFT: ("on the left", "on the left side", "at the left"),
    Side.MIDDLE: ("in the middle", "in the center", "in the centre"),
    Side.RIGHT: ("on the right", "on the right side", "at the right"),
}
KINDS: Words[Kind] = {
    Kind.HOUSE: ("a house", "a small house", "a cottage", "a house with a red roof", "a cabin"),
    Kind.LIGHTHOUSE: ("a lighthouse", "a lighthouse", "a red and white lighthouse"),
    Kind.SAILBOAT: ("a sailboat", "a sailing boat", "a boat with white sails", "a yacht"),
    Kind.TORII: ("a torii gate", "a red torii", "a torii", "a Japanese gate"),
    Kind.PAGODA: ("a pagoda", "a Japanese pagoda", "a temple", "a Japanese temple"),
    Kind.TREE: ("a tree", "a lone tree", "a big tree", "an old tree"),
}
STYLES: Words[Style] = {
    Style.PHOTO: ("a photo", "a photograph", "a picture", "a photorealistic picture"),
    Style.WATERCOLOR: ("a watercolor", "a watercolor painting", "a watercolour", "an aquarelle"),
    Style.NOIR: ("a black and white film noir scene", "film noir", "a black and white photograph", "a noir picture"),
    Style.PIXEL: ("pixel art", "a pixel art scene", "8-bit pixel art", "a retro pixel art picture"),
    Style.SYNTHWAVE: ("neon synthwave", "a synthwave scene", "synthwave art", "a neon retrowave picture"),
    Style.POSTER: (
        "a Swiss poster",
        "a minimal swiss-style poster",
        "a flat Swiss design poster",
        "a Swiss style poster",
    ),
    Style.PASTEL: ("a pastel drawing", "a soft pastel", "pastel art", "a chalk pastel picture"),
}

COUNTS = {0: "no", 1: "one", 2: "two", 3: "three"}


def say(rng: np.random.Generator, words: Words[Attribute], attribute: Attribute) -> str:
    """One of the attribute's words, the plainest as often as all others together."""
    spoken = words[attribute]
    return spoken[0] if rng.random() < 0.4 else spoken[int(rng.integers(len(spoken)))]


def shape_words(rng: np.random.Generator, shape: Shape, sized: bool = True) -> str:
    """The shape without its article, such as `small red circle`."""
    size = f"{say(rng, SIZES, shape.size)} " if sized else ""
    return f"{size}{say(rng, COLOURS, shape.colour)} {say(rng, FORMS, shape.form)}"


def with_article(words: str) -> str:
    """With `a` or `an` before it."""
    return f"an {words}" if words[0] in "aeiou" else f"a {words}"

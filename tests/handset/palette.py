"""The words the hand-set checkpoint has a colour for, and the pieces its second tokenizer knows; plain Python."""

from __future__ import annotations

import string

COLOURS: dict[str, str] = {
    "red": "d7263d", "crimson": "a4133c", "scarlet": "e63922", "ruby": "9b1b40", "rose": "e8638c", "pink": "f29ac0",
    "magenta": "c9259b", "purple": "6f2dbd", "violet": "8a4fd0", "lavender": "b9a5e8", "indigo": "3a2f9b",
    "blue": "1f5fd6", "navy": "14285f", "azure": "3a9bf0", "cyan": "27c3d9", "teal": "138086", "turquoise": "2fc7b5",
    "green": "2b9348", "emerald": "0f8b5f", "lime": "9bd432", "olive": "7a7f2a", "mint": "9fe3c0", "yellow": "f7c91e",
    "gold": "e0a21b", "golden": "e8ab26", "amber": "f2a007", "orange": "f2701d", "coral": "f9705a", "peach": "fbb58c",
    "brown": "7a4a24", "copper": "b5652b", "beige": "e3cfa8", "white": "f7f4ee", "black": "17151c", "grey": "8a8a90",
    "gray": "8a8a90", "silver": "c3c8d0", "sky": "6cb8f5", "sea": "17708f", "ocean": "0e4f86", "water": "3691c2",
    "river": "3f88b8", "lake": "2b7da5", "wave": "2399b5", "rain": "5b7c99", "storm": "3b4a5f", "cloud": "d7e2ec",
    "snow": "eef4fa", "ice": "c2e6f5", "winter": "bcd5ea", "forest": "1f5a34", "tree": "3c7a3a", "grass": "5aa33a",
    "leaf": "63a944", "garden": "59a14f", "meadow": "8cc04b", "spring": "a6d96a", "summer": "f6c944",
    "autumn": "cf6a24", "desert": "dba45f", "sand": "e6c48a", "beach": "edd29a", "mountain": "69748f",
    "stone": "8d877f", "earth": "7d5836", "fire": "ef4a1b", "flame": "f76a1c", "lava": "d92b0c", "sun": "fbbf24",
    "sunset": "f4734a", "sunrise": "f99a6c", "dawn": "f5a8a0", "dusk": "7b5aa6", "night": "171d4a", "moon": "dfe3f2",
    "star": "fdf1b8", "space": "1b1240", "galaxy": "4b2a8c", "neon": "ff2fa0", "cat": "d98b3f", "dog": "b07a45",
    "fox": "e2661f", "bird": "4aa3c7", "fish": "f08a4b", "horse": "8a5a35", "owl": "a58359", "dragon": "3f8f5b",
    "robot": "8fa3b5", "city": "5b6b8c", "house": "c4705a", "car": "c22f3a", "flower": "e86fa5", "tulip": "e2405f",
    "cherry": "c2183f", "apple": "cf2f2a", "lemon": "f6dc3b", "honey": "e5a52a", "coffee": "5a3820", "tea": "a9853f",
    "wine": "6d1637", "happy": "ffb52e", "calm": "7fb7c9", "dream": "a48be0", "dark": "1d1b2b", "light": "fbf3df",
    "bright": "ffd84a", "warm": "ee8a4a", "cold": "7fb0d9", "portrait": "c98f73", "lighthouse": "e4533f",
}  # fmt: skip
"""Word -> sRGB colour as six hex digits."""

SMALL_WORDS = frozenset({
    "a", "an", "the", "of", "in", "on", "at", "by", "with", "and", "or", "to", "from",
    "over", "under", "into", "near", "for", "is", "are", "it", "its", "his", "her", "as", "very",
})  # fmt: skip
"""Words that say nothing of colour: they hardly speak."""

SPECIAL = ("<pad>", "</s>", "<unk>")


def pieces() -> list[tuple[str, float]]:
    """Unigram pieces with their scores: specials first, then words, letter pairs and single characters."""
    words = [(spelled, -4.0) for word in COLOURS for spelled in (f"▁{word}", f"▁{word.capitalize()}", f"▁{word}s")]
    words += [(spelled, -4.0) for word in sorted(SMALL_WORDS) for spelled in (f"▁{word}", f"▁{word.capitalize()}")]
    letters = string.ascii_lowercase
    pairs = [(mark + a + b, -9.0) for mark in ("▁", "") for a in letters for b in letters]
    singles = [(character, -8.0) for character in "▁" + string.ascii_letters + string.digits + string.punctuation]
    unique = dict.fromkeys([(special, 0.0) for special in SPECIAL] + words + pairs + singles)
    seen: dict[str, float] = {}
    for piece, score in unique:
        seen.setdefault(piece, score)
    return list(seen.items())


def is_small(piece: str) -> bool:
    """Whether a piece is one of the words that say nothing of colour."""
    return piece.startswith("▁") and piece.removeprefix("▁").lower() in SMALL_WORDS


def colour_of(piece: str) -> tuple[float, float, float] | None:
    """Red, green and blue from -1 to 1 of a piece that is a known word, else None."""
    word = piece.removeprefix("▁").lower()
    spelled = COLOURS.get(word) or COLOURS.get(word.removesuffix("s"))
    if spelled is None or not piece.startswith("▁"):
        return None
    red, green, blue = (int(spelled[i : i + 2], 16) / 127.5 - 1.0 for i in (0, 2, 4))
    return red, green, blue

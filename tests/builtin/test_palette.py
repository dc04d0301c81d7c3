"""The palette names colours, and its pieces cover every ASCII text."""

import string

from fluxhouse.builtin.palette import COLOURS, SPECIAL, colour_of, is_small, pieces


def test_known_words_have_colours() -> None:
    """Red is red, in any spelling of its first letter, and in the plural."""
    assert colour_of("▁red") == colour_of("▁Red")
    red, green, blue = colour_of("▁red") or (0, 0, 0)
    assert red > 0.5 > max(green, blue)
    assert colour_of("▁flowers") == colour_of("▁flower")
    assert colour_of("▁qx") is None


def test_small_words_have_none() -> None:
    """Articles and prepositions are known as such, and are no colours."""
    assert is_small("▁The")
    assert not is_small("▁red")
    assert not any(is_small(f"▁{word}") for word in COLOURS)


def test_pieces_are_unique_and_begin_with_the_specials() -> None:
    """Padding, end and unknown come first, as T5 has it; every printable letter is a piece."""
    spelled = [piece for piece, _ in pieces()]
    assert tuple(spelled[:3]) == SPECIAL
    assert len(spelled) == len(set(spelled))
    assert set(string.ascii_letters + string.digits + string.punctuation) <= set(spelled)

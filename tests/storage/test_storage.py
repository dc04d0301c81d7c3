"""Keys: what a store takes and what it refuses."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fluxhouse.generation.errors import UnknownFile
from fluxhouse.storage.storage import LONGEST_KEY, checked_key


@pytest.mark.parametrize("key", ["files/a", "outputs/01J-x_9/0.png", "a", "inputs/a..b.png", "a/" * 40 + "a"])
def test_well_formed_keys_are_taken(key: str) -> None:
    """Letters, digits, dots, dashes and underscores between slashes make a key."""
    assert checked_key(key) == key


@pytest.mark.parametrize(
    "key",
    [
        "",
        "/",
        "/etc/passwd",
        "a/",
        "a//b",
        ".",
        "..",
        "../a",
        "a/../b",
        "a/./b",
        "a/..",
        ".partial/x",
        "a/.hidden",
        "a\\b",
        "a b",
        "a\n",
        "a\x00",
        "ä",
        "a%2e%2e/b",
        "a:b",
        "a" * 201,
        "a/" * 300 + "a",
        "~root",
        "C:/x",
    ],
)
def test_malformed_keys_name_no_file(key: str) -> None:
    """Traversal, absolute paths, hidden names, odd characters and excess length name no file."""
    with pytest.raises(UnknownFile):
        checked_key(key)


@given(st.text(alphabet="aZ0._-/\\\n\x00 é%", max_size=40))
def test_a_taken_key_stays_below_its_root(key: str) -> None:
    """No key that is taken leads out of the store's folder or to a hidden name."""
    try:
        checked_key(key)
    except UnknownFile:
        return
    parts = key.split("/")
    assert len(key) <= LONGEST_KEY
    assert all(part and not part.startswith(".") for part in parts)
    assert all(
        character.isascii() and (character.isalnum() or character in "._-") for part in parts for character in part
    )

"""What an error says can be sent, whatever words of a caller's it repeats."""

import pytest

from fluxhouse.generation.errors import InvalidParameter, PlatformError, UnknownModel


@pytest.mark.parametrize("kind", [PlatformError, InvalidParameter, UnknownModel])
def test_half_a_character_is_made_sayable(kind):
    """In the message and in the field; UTF-8 has no bytes for it."""
    error = kind("`\ud800` is not known", field="\ud800")
    assert (error.message, error.field, str(error)) == ("`?` is not known", "?", "`?` is not known")


def test_a_field_of_any_length_is_named_by_its_beginning():
    """An unknown field has whatever name the caller gave it."""
    assert InvalidParameter("no", field="x" * 1_000_000).field == "x" * 100


def test_an_error_without_words_has_its_kinds():
    """The docstring, and no field."""
    assert (UnknownModel().message, UnknownModel().field) == (UnknownModel.__doc__, None)

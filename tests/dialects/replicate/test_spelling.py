"""An id in 26 characters says the same as in 32."""

import re
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fluxhouse.dialects.replicate.spelling import ID_PATTERN, moment, own_id, spelled


@given(st.uuids().map(lambda found: found.hex))
def test_an_id_comes_back_as_it_went(own):
    """In lower-case letters and digits alone."""
    text = spelled(own)
    assert own_id(text) == own
    assert re.fullmatch(ID_PATTERN, text)


@pytest.mark.parametrize("text", ["", "0" * 25, "0" * 27, "8" + "0" * 25, "z" * 26, "A" + "0" * 25, "0" * 25 + "é"])
def test_what_spells_no_id_is_none(text):
    """Of another length or alphabet, or more than 128 bits."""
    assert own_id(text) is None


def test_ids_that_were_given_out_stay_valid():
    """One of them, and a moment."""
    assert spelled("00112233445566778899aabbccddeeff") == "0024h36h2ncsvrh6daqf6dvvqz"
    assert moment(datetime(2026, 3, 1, 12, 0, 0, 5, tzinfo=UTC)) == "2026-03-01T12:00:00.000005Z"

"""What a native request says beside its body."""

from contextlib import suppress
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.requests import Request

from fluxhouse.dialects.native.reading import bearer, cursor_in, cursor_of, number_in, wait_seconds
from fluxhouse.generation.errors import InvalidParameter


def asked(query="", **headers):
    pairs = [(name.encode(), value.encode("latin-1")) for name, value in headers.items()]
    return Request({"type": "http", "headers": pairs, "query_string": query.encode()})


@pytest.mark.parametrize(
    ("header", "key"),
    [("Bearer abc", "abc"), ("bearer  abc ", "abc"), ("Basic abc", None), ("", None), ("Bearer", ""), ("abc", None)],
)
def test_a_key_is_read_from_a_bearer_header(header, key):
    """The scheme's case does not matter, another scheme is no key."""
    assert bearer(asked(authorization=header)) == key


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("wait", 60),
        ("wait=5", 5),
        ("wait=100", 60),
        ("WAIT = 7", 7),
        ('respond-async, wait="3"', 3),
        ("wait=9;x=1", 9),
        ("wait=0", 0),
        ("wait=-1", 0),
        ("wait=soon", 0),
        ("wait=²", 0),
        ("handling=strict", 0),
    ],
)
def test_a_wait_is_read_and_capped(header, seconds):
    """`Prefer: wait` is at most a minute; what makes no sense is passed over."""
    assert wait_seconds(asked(prefer=header)) == seconds


@given(st.datetimes(timezones=st.just(UTC), min_value=datetime(1971, 1, 1)), st.text("0123456789abcdef", min_size=1))  # noqa: DTZ001
def test_a_cursor_comes_back_as_it_went(moment, job_id):
    """What one page gives out the next one understands."""
    assert cursor_in(asked(f"cursor={cursor_of(moment, job_id)}")) == (moment, job_id)


@given(st.text())
def test_no_cursor_breaks_anything(text):
    """Any text is a cursor or is refused by name."""
    request = asked()
    request._query_params = {"cursor": text}
    with suppress(InvalidParameter):
        cursor_in(request)


@pytest.mark.parametrize("text", ["", "x", "-1", "0", "11", "1.5", "٣", "9" * 30])
def test_a_number_out_of_range_is_refused(text):
    """Only ASCII digits within the limits are a number."""
    request = asked()
    request._query_params = {"limit": text}
    with pytest.raises(InvalidParameter):
        number_in(request, "limit", 1, 1, 10)

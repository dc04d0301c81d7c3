"""Ranges and preconditions of RFC 9110."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fluxhouse.storage.ranges import Span, etag_of, selected, span

WHOLE = Span(200, 0, 100)
NOTHING = Span(416, 0, 0)
TAG = etag_of("outputs/j/0.png", 100)


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ("bytes=0-0", Span(206, 0, 1)),
        ("bytes=0-99", Span(206, 0, 100)),
        ("bytes=10-19", Span(206, 10, 20)),
        ("bytes=90-1000", Span(206, 90, 100)),
        ("bytes=90-", Span(206, 90, 100)),
        ("bytes=-10", Span(206, 90, 100)),
        ("bytes=-1000", Span(206, 0, 100)),
        (" BYTES=1-2 ", Span(206, 1, 3)),
        ("bytes=100-", NOTHING),
        ("bytes=100-200", NOTHING),
        ("bytes=999999999999999999-", NOTHING),
        ("bytes=-0", NOTHING),
        ("bytes=5-4", WHOLE),
        ("bytes=-", WHOLE),
        ("bytes=", WHOLE),
        ("", WHOLE),
        ("bytes=0-1,3-4", WHOLE),
        ("bytes=0-1,", WHOLE),
        ("bytes=1 - 2", WHOLE),
        ("bytes=a-b", WHOLE),
        ("bytes=--1", WHOLE),
        ("bytes=+1-2", WHOLE),
        ("bytes=\u0661-\u0662", WHOLE),
        ("items=0-1", WHOLE),
        ("bytes=0-" + "9" * 100, WHOLE),
    ],
)
def test_what_a_range_header_selects(header: str, expected: Span) -> None:
    """A single satisfiable range is a part, an unsatisfiable one 416, anything else the whole file."""
    assert span(header, 100) == expected


@pytest.mark.parametrize(("header", "status"), [("bytes=0-", 416), ("bytes=-5", 200), ("bytes=-0", 416), ("x", 200)])
def test_ranges_of_an_empty_file(header: str, status: int) -> None:
    """An empty file has no first byte; a suffix of it is all of it."""
    assert span(header, 0) == Span(status, 0, 0)


@given(st.integers(0, 10**12), st.integers(0, 10**12), st.integers(0, 10**12))
def test_a_part_is_what_slicing_gives(first: int, last: int, size: int) -> None:
    """Every range selects the bytes that slicing selects, within the file."""
    found = span(f"bytes={first}-{last}", size)
    if last < first:
        assert found == Span(200, 0, size)
    elif first >= size:
        assert found == Span(416, 0, 0)
    else:
        assert found == Span(206, *slice(first, last + 1).indices(size)[:2])


@given(st.text(alphabet="bytes=0123456789-, \t", max_size=80), st.integers(0, 1000))
def test_no_header_leads_outside_the_file(header: str, size: int) -> None:
    """Whatever the header, the span lies in the file and its Content-Length agrees."""
    found = span(f"bytes={header}", size)
    assert 0 <= found.start <= found.stop <= size
    assert found.headers(size, TAG)["content-length"] == str(found.stop - found.start)
    assert found.status != 206 or found.start < found.stop


def test_long_headers_cost_nothing() -> None:
    """A megabyte of ranges, or of entity tags, is answered at once."""
    began = time.perf_counter()
    for _ in range(100):
        assert span("bytes=" + "0-," * 350_000, 100) == WHOLE
        assert (
            selected(100, TAG, if_none_match='"a",' * 250_000, if_range="W/" * 500_000, range_header="bytes=0-")
            == WHOLE
        )
    assert time.perf_counter() - began < 2


def test_headers_say_what_is_sent() -> None:
    """The answer names length, part, tag and that ranges are taken; 304 has no length."""
    assert Span(206, 10, 20).headers(100, TAG) == {
        "etag": TAG,
        "accept-ranges": "bytes",
        "content-length": "10",
        "content-range": "bytes 10-19/100",
    }
    assert NOTHING.headers(100, TAG)["content-range"] == "bytes */100"
    assert "content-range" not in WHOLE.headers(100, TAG)
    assert "content-length" not in Span(304, 0, 0).headers(100, TAG)


@pytest.mark.parametrize("condition", [TAG, f"W/{TAG}", f'"other", {TAG}', "*", f' "a,b" ,W/{TAG}'])
def test_a_known_tag_is_not_sent_again(condition: str) -> None:
    """If-None-Match with our tag, weak or in a list, or a star, is answered 304 even for a range."""
    assert selected(100, TAG, if_none_match=condition, range_header="bytes=0-1").status == 304


@pytest.mark.parametrize("condition", ['"other"', "", TAG.strip('"'), '"*"'])
def test_an_unknown_tag_is_sent(condition: str) -> None:
    """If-None-Match without our tag changes nothing."""
    assert selected(100, TAG, if_none_match=condition) == WHOLE


@pytest.mark.parametrize(
    ("condition", "status"),
    [(TAG, 206), (None, 206), (f"W/{TAG}", 200), ('"other"', 200), ("Fri, 20 Nov 2026 12:00:00 GMT", 200)],
)
def test_a_range_depends_on_its_condition(condition: str | None, status: int) -> None:
    """If-Range needs our very tag; a weak one, another one or a date gets the whole file."""
    assert selected(100, TAG, range_header="bytes=0-1", if_range=condition).status == status


def test_tags_differ_by_key_and_size() -> None:
    """Another key or size is another tag, in quotes."""
    tags = {etag_of("a", 1), etag_of("a", 11), etag_of("1:a", 1), etag_of("b", 1)}
    assert len(tags) == 4
    assert all(tag.startswith('"') and tag.endswith('"') and len(tag) == 34 for tag in tags)

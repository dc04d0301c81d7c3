"""Bodies, idempotency keys and rate headers as every accent reads and writes them."""

import asyncio
import threading
from contextlib import suppress
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.requests import Request

from fluxhouse.core.cursors import cursor_of
from fluxhouse.core.limits import Window
from fluxhouse.dialects import wire
from fluxhouse.generation.errors import RateLimited, RequestRejected

NOW = datetime(2025, 1, 23, 12, 0, 0, 999_999, tzinfo=UTC)


def sent(*chunks, **headers):
    """A request whose body comes in these chunks; after the last one the client is gone."""
    messages = [{"type": "http.request", "body": chunk, "more_body": True} for chunk in chunks]

    async def receive():
        return messages.pop(0) if messages else {"type": "http.disconnect"}

    pairs = [(name.replace("_", "-").encode(), value.encode("latin-1")) for name, value in headers.items()]
    return Request({"type": "http", "method": "POST", "path": "/run", "headers": pairs}, receive)


async def test_a_body_over_the_cap_is_refused_early():
    """By its announced length before a byte is read, or by what has come so far."""
    with pytest.raises(wire.BodyTooLarge):
        await wire.read_body(sent(content_length="9" * 40), 10)
    with pytest.raises(wire.BodyTooLarge):
        await wire.read_body(sent(b"12345", b"123456"), 10)


async def test_a_client_that_leaves_has_sent_nothing():
    """Half a body is never taken for a whole one."""
    with pytest.raises(wire.ClientGone):
        await wire.read_body(sent(b"{}"), 10)


@given(st.binary(max_size=200))
async def test_no_body_breaks_the_reader(content):
    """Any bytes are one JSON object or are refused."""
    with suppress(RequestRejected):
        assert isinstance(await wire.json_object(content, None), dict)


@pytest.mark.parametrize("content", [b"{%s}" % b",".join(b'"%d":1' % n for n in range(50_002)), b"[" * 60_000])
async def test_a_body_of_too_many_parts_is_refused_unparsed(content):
    """Millions of tiny values are told by their commas, before they take seconds and memory."""
    with pytest.raises(RequestRejected, match="50,000 commas and opening brackets"):
        await wire.json_object(content, None)


async def test_a_large_body_is_parsed_beside_the_loop(monkeypatch):
    """While megabytes are hashed and parsed, others are answered."""
    threads = []
    monkeypatch.setattr(wire.json, "loads", lambda *_, **__: threads.append(threading.current_thread()) or {})
    await wire.json_object(b"{}", None)
    await wire.json_object(b" " * 2_000_000, None)
    assert [thread is threading.main_thread() for thread in threads] == [True, False]


async def test_a_body_that_trickles_is_given_up(monkeypatch):
    """Silence, and a body that comes piece by piece for ever, both end."""

    async def silent():
        await asyncio.sleep(30)

    async def trickle():
        await asyncio.sleep(0.02)
        return {"type": "http.request", "body": b"x", "more_body": True}

    for receive in (silent, trickle):
        monkeypatch.setattr(wire, "PIECE_SECONDS", 0.1)
        monkeypatch.setattr(wire, "BODY_SECONDS", 0.2)
        with pytest.raises(wire.BodyTooSlow):
            await wire.read_body(Request({"type": "http", "method": "POST", "path": "/run", "headers": []}, receive))


@pytest.mark.parametrize("kind", [None, "application/json; charset=utf-8", "Application/JSON", "application/ld+json"])
async def test_json_goes_by_many_names(kind):
    """Parameters, case and structured suffixes do not matter."""
    assert await wire.json_object(b'{"a": 1, "a": 2}', kind) == {"a": 2}


async def test_an_idempotency_key_is_bound_to_path_and_body():
    """Key, path and body hash are what a repeat must share."""
    first = await wire.idempotency_key(sent(idempotency_key="k"), b"body")
    assert (first.key, first.route) == ("k", "/run")
    assert first != await wire.idempotency_key(sent(idempotency_key="k"), b"Body")
    assert first != await wire.idempotency_key(sent(idempotency_key="k"), b"body", "image/png")
    assert await wire.idempotency_key(sent(), b"body") is None


def test_rate_headers_say_the_same_twice():
    """The IETF's fields and the older ones agree."""
    window = Window(600, 599, NOW + timedelta(seconds=30), exceeded=False)
    assert wire.rate_headers(window, NOW) == {
        "RateLimit-Policy": '"submits";q=600;w=60',
        "RateLimit": '"submits";r=599;t=30',
        "X-RateLimit-Limit": "600",
        "X-RateLimit-Remaining": "599",
        "X-RateLimit-Reset": str(int((NOW + timedelta(seconds=30)).timestamp())),
    }
    assert wire.retry_header(RateLimited(retry_after_seconds=3)) == {"Retry-After": "3"}
    assert wire.retry_header(RequestRejected()) == {}


def test_an_instant_is_cut_to_the_second():
    """ISO 8601, UTC, second precision, Z."""
    assert wire.instant(NOW) == "2025-01-23T12:00:00Z"


def with_cursor(text):
    request = Request({"type": "http", "headers": [], "query_string": b""})
    request._query_params = {"cursor": text}
    return request


@given(st.datetimes(timezones=st.just(UTC), min_value=datetime(1971, 1, 1)), st.text("0123456789abcdef", min_size=1))  # noqa: DTZ001
def test_a_cursor_comes_back_as_it_went(moment, job_id):
    """What one page gives out the next one understands."""
    assert wire.cursor_in(with_cursor(cursor_of(moment, job_id))) == (moment, job_id)


@pytest.mark.parametrize("last", ["", "\0", "é", "a b"])
def test_a_cursor_holds_an_id(last):
    """Nothing that a database would refuse."""
    with pytest.raises(RequestRejected):
        wire.cursor_in(with_cursor(cursor_of(NOW, last)))


@given(st.text())
def test_no_cursor_breaks_anything(text):
    """Any text is a cursor or is refused by name."""
    with suppress(RequestRejected):
        wire.cursor_in(with_cursor(text))

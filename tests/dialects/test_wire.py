"""Bodies, idempotency keys and rate headers as every accent reads and writes them."""

from contextlib import suppress
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.requests import Request

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
def test_no_body_breaks_the_reader(content):
    """Any bytes are one JSON object or are refused."""
    with suppress(RequestRejected):
        assert isinstance(wire.json_object(content, None), dict)


@pytest.mark.parametrize("kind", [None, "application/json; charset=utf-8", "Application/JSON", "application/ld+json"])
def test_json_goes_by_many_names(kind):
    """Parameters, case and structured suffixes do not matter."""
    assert wire.json_object(b'{"a": 1, "a": 2}', kind) == {"a": 2}


def test_an_idempotency_key_is_bound_to_path_and_body():
    """Key, path and body hash are what a repeat must share."""
    first = wire.idempotency_key(sent(idempotency_key="k"), b"body")
    assert (first.key, first.route) == ("k", "/run")
    assert first != wire.idempotency_key(sent(idempotency_key="k"), b"Body")
    assert wire.idempotency_key(sent(), b"body") is None


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

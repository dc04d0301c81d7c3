"""What fal's headers and parameters wish for is obeyed, or refused by name."""

from __future__ import annotations

from datetime import timedelta

import pytest
from starlette.requests import Request

from fluxhouse.dialects.fal.wishes import Wishes, spoken
from fluxhouse.generation.errors import InvalidParameter, UnsupportedParameter


def asked(query="", **headers):
    raw = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
    return Request({"type": "http", "query_string": query.encode(), "headers": raw})


def test_nothing_is_wished_for_by_itself():
    """A repeat is then compared by its body alone."""
    assert Wishes.of(asked()) == Wishes(None, None, 1.0)
    assert spoken(asked()) is None


def test_wishes_are_read():
    """A webhook, the time to start in, and a low priority; each makes a repeat another request."""
    wished = asked("fal_webhook=https%3A%2F%2Fa.example%2F", x_fal_request_timeout="1.5", x_fal_queue_priority="low")
    assert Wishes.of(wished) == Wishes("https://a.example/", timedelta(seconds=1.5), 0.5)
    assert spoken(wished) == "https://a.example/\n1.5\nlow"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("x_fal_runner_hint", "near"),
        ("x_app_fal_disable_fallback", "1"),
        ("x_fal_store_io", "1"),
        ("x_fal_no_retry", "0"),
    ],
)
def test_what_asks_for_nothing_else_passes(name, value):
    """A hint, and what happens anyway."""
    assert Wishes.of(asked(**{name: value})) == Wishes(None, None, 1.0)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("x_fal_store_io", "0"),
        ("x_fal_no_retry", "true"),
        ("x_fal_retry_config", "{}"),
        ("x_fal_object_lifecycle_preference", '{"expiration_duration_seconds": 60}'),
        ("x_fal_object_lifecycle", "{}"),
    ],
)
def test_what_cannot_be_done_is_refused(name, value):
    """By the header's name."""
    with pytest.raises(UnsupportedParameter) as refused:
        Wishes.of(asked(**{name: value}))
    assert refused.value.field == name.replace("_", "-")


@pytest.mark.parametrize("text", ["0", "-1", "nan", "inf", "soon", "86401"])
def test_a_time_to_start_in_is_a_number_of_seconds(text):
    """At most a day."""
    with pytest.raises(InvalidParameter, match="at most 86,400"):
        Wishes.of(asked(x_fal_request_timeout=text))


def test_a_priority_is_one_of_two():
    """Any other word is refused, and so is a webhook that is no address."""
    with pytest.raises(InvalidParameter, match="normal, low"):
        Wishes.of(asked(x_fal_queue_priority="high"))
    with pytest.raises(InvalidParameter, match="https URL"):
        Wishes.of(asked("fal_webhook=ftp://a"))

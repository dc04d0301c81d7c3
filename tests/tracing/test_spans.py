"""Spans cost nothing while nobody collects, and say what, how long and how it ended where somebody does."""

import asyncio
import time
from datetime import UTC, datetime

import pytest

from fluxhouse.tracing.spans import caller, now_ns, record, span

JOB = "0123456789abcdef0123456789abcdef"
PARENT = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


def test_without_a_collector_nothing_happens():
    """Ten thousand spans that nobody collects take next to no time."""
    started = time.perf_counter()
    for _ in range(10_000):
        with caller(PARENT), span("make", JOB, model="flux"):
            record("claim", JOB, now_ns())
    assert time.perf_counter() - started < 1


def test_a_span_has_its_times_and_attributes(kept):
    """A block and a moment both become spans from their start until now."""
    before = now_ns()
    with span("make", JOB, model="flux"):
        time.sleep(0.01)
    record("claim", JOB, datetime.fromtimestamp(1_700_000_000, UTC), attempt=2)
    (name, job, (start, end), attributes, error, _), claim = kept.spans
    assert (name, job, attributes, error) == ("make", JOB, {"model": "flux"}, None)
    assert before <= start <= end - 10_000_000
    assert claim[2][0] == 1_700_000_000 * 10**9
    assert claim[3] == {"attempt": 2}


def test_what_a_block_raises_is_named(kept):
    """The class of the error is kept, never its message, and the error goes on; a cancel is one too."""
    with pytest.raises(ValueError, match="prompt"), span("make", JOB):
        raise ValueError("a prompt")
    with pytest.raises(asyncio.CancelledError), span("make", JOB):
        raise asyncio.CancelledError
    assert [entry[4] for entry in kept.spans] == ["ValueError", "CancelledError"]
    assert "prompt" not in str(kept.spans)


@pytest.mark.parametrize(
    ("header", "known"),
    [
        (PARENT, ("4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7")),
        (None, None),
        ("", None),
        ("00-" + "0" * 32 + "-00f067aa0ba902b7-01", None),
        (PARENT + "-more", None),
        (PARENT.upper(), None),
    ],
)
def test_a_callers_trace_is_named(kept, header, known):
    """A W3C traceparent is taken as it is, anything else for none."""
    with caller(header):
        record("submit", JOB, now_ns())
    record("claim", JOB, now_ns())
    assert [entry[5] for entry in kept.spans] == [known, None]

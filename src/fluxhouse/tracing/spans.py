"""What is traced of a job's life, and where it goes: one call per span, of no cost while nobody collects."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import datetime
from typing import Protocol

Value = str | int | float | bool

_TRACEPARENT = re.compile(r"00-(?!0{32})([0-9a-f]{32})-(?!0{16})([0-9a-f]{16})-[0-9a-f]{2}")
_caller: ContextVar[tuple[str, str] | None] = ContextVar("caller", default=None)


class Collector(Protocol):
    """Takes ended spans; must neither block nor raise."""

    def collect(
        self,
        name: str,
        job_id: str,
        times_ns: tuple[int, int],
        attributes: Mapping[str, Value],
        error: str | None,
        caller: tuple[str, str] | None,
    ) -> None:
        """A span of a job from one moment to another, in nanoseconds since 1970.

        `error` is the class of what ended it, `caller` the trace and the span that a caller's request belongs to.
        """


class _Sink:
    """The one collector of this process, if any."""

    collector: Collector | None = None


def collect_with(collector: Collector | None) -> None:
    """Pass every span of this process on to `collector`; None ends that."""
    _Sink.collector = collector


@contextmanager
def caller(traceparent: str | None) -> Iterator[None]:
    """Within the block, spans name the caller's own trace (a W3C `traceparent` header; a malformed one is ignored)."""
    if _Sink.collector is None or traceparent is None or not (match := _TRACEPARENT.fullmatch(traceparent)):
        yield
        return
    token = _caller.set((match[1], match[2]))
    try:
        yield
    finally:
        _caller.reset(token)


def record(name: str, job_id: str, started: datetime | int, **attributes: Value) -> None:
    """A span of that job, from `started` (a moment, or `now_ns()`) until now."""
    if _Sink.collector is not None:
        started_ns = started if isinstance(started, int) else round(started.timestamp() * 1e9)
        _collect(name, job_id, started_ns, attributes, None)


@contextmanager
def span(name: str, job_id: str, **attributes: Value) -> Iterator[None]:
    """A span of that job as long as the block; what the block raises is named in it."""
    if _Sink.collector is None:
        yield
        return
    started_ns, error = time.time_ns(), None
    try:
        yield
    except BaseException as raised:
        error = type(raised).__name__
        raise
    finally:
        _collect(name, job_id, started_ns, attributes, error)


def now_ns() -> int:
    """This moment, to be handed to `record` later."""
    return time.time_ns()


def _collect(name: str, job_id: str, started_ns: int, attributes: Mapping[str, Value], error: str | None) -> None:
    assert _Sink.collector is not None, "asked before"
    _Sink.collector.collect(name, job_id, (started_ns, time.time_ns()), attributes, error, _caller.get())

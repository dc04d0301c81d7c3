"""When to try again: which failures may pass, how long to pause, and when to give up."""

from __future__ import annotations

import random
from dataclasses import dataclass, replace
from time import monotonic

import httpx2

from fluxhouse.client.errors import ConnectionFailed, FluxhouseError, Timeout

_PASSING = frozenset({429, 502, 503, 504})
# A model without a backend stays without one until the operator gives it one.
_LASTING = frozenset({"model_unavailable"})
_OUR_OWN = (httpx2.UnsupportedProtocol, httpx2.LocalProtocolError)


@dataclass(frozen=True, slots=True)
class Retry:
    """How hard to try: at most `attempts` in all within `total_seconds`.

    Pauses double from `first_seconds` to `longest_seconds`, each shortened by up to half at random, so that many
    clients do not come back together; never shorter than the server's `Retry-After`.
    """

    attempts: int = 8
    first_seconds: float = 0.5
    longest_seconds: float = 8.0
    total_seconds: float = 120.0

    def lasting(self, seconds: float) -> Retry:
        """As hard, for at least so many seconds in all."""
        return replace(self, total_seconds=max(self.total_seconds, seconds))

    def pause(self, failures: int) -> float:
        """Seconds to pause after so many failures in a row, at least one."""
        whole = min(self.longest_seconds, self.first_seconds * 2.0 ** min(failures - 1, 30))
        return whole * random.uniform(0.5, 1.0)


class Deadline:
    """A moment after which nobody waits any more; never, with None."""

    def __init__(self, seconds: float | None) -> None:
        self._at = None if seconds is None else monotonic() + seconds

    @property
    def bounded(self) -> bool:
        """Whether there is such a moment."""
        return self._at is not None

    @property
    def passed(self) -> bool:
        """Whether the moment has come."""
        return self._at is not None and monotonic() >= self._at

    def at_most(self, seconds: float) -> float:
        """So many seconds, or what is left where that is less."""
        return seconds if self._at is None else max(0.0, min(seconds, self._at - monotonic()))


class Attempts:
    """The attempts at one call."""

    def __init__(self, retry: Retry, deadline: Deadline) -> None:
        self._retry = retry
        self._deadline = deadline
        self._budget = Deadline(retry.total_seconds)
        self._failures = 0

    def pause(self, failure: FluxhouseError) -> float | None:
        """Seconds to pause before the next attempt; None where there shall be none."""
        self._failures += 1
        if self._failures >= self._retry.attempts or not passing(failure):
            return None
        pause = max(failure.retry_after or 0.0, self._retry.pause(self._failures))
        return pause if self.seconds_left(pause) >= pause else None

    def seconds_left(self, seconds: float) -> float:
        """So many seconds, or what is left of the budget and of the caller's patience."""
        return self._deadline.at_most(self._budget.at_most(seconds))


def passing(failure: FluxhouseError) -> bool:
    """Whether the same call may succeed a little later."""
    if isinstance(failure, ConnectionFailed | Timeout):
        return not isinstance(failure.__cause__, _OUR_OWN)
    return failure.status in _PASSING and failure.code not in _LASTING


def lost(fault: httpx2.RequestError) -> FluxhouseError:
    """The failure of a call to which no whole answer came."""
    kind = Timeout if isinstance(fault, httpx2.TimeoutException) else ConnectionFailed
    failure = kind(f"No answer from {fault.request.url.host}: {type(fault).__name__} {fault}".rstrip())
    failure.__cause__ = fault
    return failure

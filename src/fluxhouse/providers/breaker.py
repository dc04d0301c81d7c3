"""A circuit breaker: after some failures in a row nobody asks for a while, then one goes ahead."""

from __future__ import annotations

import time
from collections.abc import Callable

from fluxhouse.generation.errors import ProviderUnavailable


class Breaker:
    """Open after `failures` in a row, for `seconds`; then one caller is let through, by whose luck it closes or not."""

    def __init__(
        self, name: str, failures: int = 5, seconds: float = 10.0, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._name = name
        self._most = failures
        self._seconds = seconds
        self._clock = clock
        self._failures = 0
        self._shut_until = 0.0

    @property
    def is_open(self) -> bool:
        """Whether the last word was that of too many failures."""
        return self._failures >= self._most

    def enter(self) -> None:
        """Return for who may ask now; raises `ProviderUnavailable`."""
        if not self.is_open:
            return
        if self._clock() < self._shut_until:
            raise ProviderUnavailable(f"{self._name} has failed too often and is left alone for a while.")
        self._shut_until = self._clock() + self._seconds  # The others wait for what becomes of this one.

    def succeeded(self) -> None:
        """It answers."""
        self._failures = 0

    def failed(self) -> None:
        """It does not answer, or cannot work."""
        self._failures += 1
        if self.is_open:
            self._shut_until = self._clock() + self._seconds

"""Makes numbered things one ahead of their use, so that the device does not wait for the processor."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager
from typing import Generic, TypeVar

Made = TypeVar("Made")


class Ahead(AbstractContextManager["Ahead[Made]"], Generic[Made]):
    """Gives what `make(number)` returns; while it is used, a thread makes the next one."""

    def __init__(self, make: Callable[[int], Made]) -> None:
        self._make = make
        self._pool = ThreadPoolExecutor(1)
        self._under_way: dict[int, Future[Made]] = {}

    def __exit__(self, *_: object) -> None:
        self._pool.shutdown(cancel_futures=True)

    def __call__(self, number: int) -> Made:
        made = self._under_way.pop(number, None)
        found = self._make(number) if made is None else made.result()
        self._under_way = {number + 1: self._pool.submit(self._make, number + 1)}
        return found

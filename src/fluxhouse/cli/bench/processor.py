"""Processor time as the system accounts for it, so that a load can be split by who did the work."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

_TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")
_USER, _SYSTEM, _CHILDREN_USER, _CHILDREN_SYSTEM = 11, 12, 13, 14  # of proc(5), counted from the process's state


@dataclass(frozen=True, slots=True)
class Spent:
    """Processor seconds of a series: of all servers, of the database, and of the one who made the load.

    `database` is None where it runs inside the servers, or where nobody here can see it.
    """

    servers: float
    database: float | None
    load: float

    @property
    def total(self) -> float:
        return self.servers + (self.database or 0.0) + self.load


class Stopwatch:
    """Counts from its making on what some processes and this one spend."""

    def __init__(self, servers: Iterable[int], database: int | None) -> None:
        self._servers, self._database = tuple(servers), database
        self._before = self._now()

    def spent(self) -> Spent:
        """Processor time since the start."""
        now, before = self._now(), self._before
        database = None if now.database is None or before.database is None else now.database - before.database
        return Spent(now.servers - before.servers, database, now.load - before.load)

    def _now(self) -> Spent:
        servers = sum(seconds(pid) for pid in self._servers)
        return Spent(servers, None if self._database is None else seconds(self._database), time.process_time())


def seconds(pid: int) -> float:
    """Processor seconds of a process, of its children, and of those that it has outlived; 0 where it has ended."""
    with suppress(OSError):
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        ticks = sum(int(fields[name]) for name in (_USER, _SYSTEM, _CHILDREN_USER, _CHILDREN_SYSTEM))
        return ticks / _TICKS_PER_SECOND + sum(seconds(child) for child in children(pid))
    return 0.0


def children(pid: int) -> list[int]:
    """The processes that a process has started and that still run."""
    found: list[int] = []
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        with suppress(OSError):
            found += [int(child) for child in task.read_text().split()]
    return found

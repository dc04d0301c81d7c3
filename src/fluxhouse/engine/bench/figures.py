"""What a measurement comes to: a table, and sentences about it; no torch."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from statistics import median


@dataclass(frozen=True, slots=True)
class Figures:
    """A titled table, and what follows from it."""

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    notes: tuple[str, ...] = ()


def interleaved(rounds: int, works: Mapping[str, Callable[[], float]]) -> dict[str, float]:
    """The median of each work's seconds over so many rounds, each with all of them, after one that does not count.

    What makes the machine slow for a while makes all of them slow.
    """
    found: dict[str, list[float]] = {name: [] for name in works}
    names = list(works)
    for number in range(rounds + 1):
        for name in names if number % 2 else reversed(names):
            seconds = works[name]()
            if number:
                found[name].append(seconds)
    return {name: median(seconds) for name, seconds in found.items()}


def times(ratio: float) -> str:
    return f"{ratio:.2f} x"


def against_aim(what: str, reached: float, aim: float) -> str:
    """A sentence that says whether an aim is reached."""
    verdict = "reached" if reached >= aim else "missed"
    return f"{what}: {reached:.2f} times, aim {aim:g}: {verdict}"


def milliseconds(seconds: float) -> str:
    return f"{seconds * 1000:.1f}"

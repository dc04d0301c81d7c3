"""Bar charts by day, drawn by the server: where every bar stands, and what the axes beside them say."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date

WIDTH, HEIGHT = 720, 180
MOST_SERIES = 5
OTHER = "other"
_GAP_SHARE = 0.2  # of a day's width
_MOST_STEPS = 5


@dataclass(frozen=True, slots=True)
class Bar:
    """One series on one day, in units of the view box; `series` counts from 1, 0 is the rest."""

    day: str
    series: int
    x: float
    y: float
    width: float
    height: float
    title: str
    is_partial: bool


@dataclass(frozen=True, slots=True)
class Chart:
    """`ticks` are whole numbers from 0 up; `marks` the days that are named below; `legend` in drawing order.

    `table` has a row for each day, newest first: the day, a value for each name of the legend, and their sum.
    """

    bars: Sequence[Bar]
    ticks: Sequence[int]
    marks: Sequence[str]
    legend: Sequence[tuple[int, str]]
    table: Sequence[tuple[str, Sequence[float], float]]
    total: float

    def height_of(self, tick: int) -> float:
        """Where the line of a tick stands."""
        return round(HEIGHT - HEIGHT * tick / self.ticks[-1], 2)


def stacked(days: Sequence[date], values: Mapping[str, Mapping[str, float]], today: date) -> Chart:
    """The values of each series by day (ISO), one above the other; beyond five series the smallest are one."""
    series = _largest(values)
    named = [day.isoformat() for day in days]
    sums = {day: sum(of_day.get(day, 0) for of_day in series.values()) for day in named}
    ticks = ticks_to(max(sums.values(), default=0))
    numbers = {name: 0 if name == OTHER else number for number, name in enumerate(series, start=1)}
    bars = [
        bar
        for index, day in enumerate(named)
        for bar in _column(index, len(named), day, series, numbers, ticks[-1], is_partial=day == today.isoformat())
    ]
    table = [(day, [of_day.get(day, 0) for of_day in series.values()], sums[day]) for day in reversed(named)]
    legend = [(numbers[name], name) for name in series]
    return Chart(bars, ticks, _marks(days), legend, table, sum(sums.values()))


def ticks_to(greatest: float) -> list[int]:
    """From 0 to a whole number that no value exceeds, in one to five even steps of 1, 2 or 5 times a power of ten."""
    steps = (digit * 10**power for power in range(16) for digit in (1, 2, 5))
    step = next(step for step in steps if step * _MOST_STEPS >= greatest)
    return [step * count for count in range(max(1, math.ceil(greatest / step)) + 1)]


def amount(value: float) -> str:
    """A number with as many decimals as it needs, two at most."""
    return f"{value:,.2f}".rstrip("0").rstrip(".")


def _largest(values: Mapping[str, Mapping[str, float]]) -> dict[str, Mapping[str, float]]:
    """The series by their sums, the largest first; those that do not fit are summed up."""
    ranked = sorted(values.items(), key=lambda item: (-sum(item[1].values()), item[0]))
    if len(ranked) <= MOST_SERIES:
        return dict(ranked)
    rest: dict[str, float] = {}
    for _, of_day in ranked[MOST_SERIES:]:
        for day, value in of_day.items():
            rest[day] = rest.get(day, 0) + value
    return {**dict(ranked[:MOST_SERIES]), OTHER: rest}


def _column(
    index: int,
    columns: int,
    day: str,
    series: Mapping[str, Mapping[str, float]],
    numbers: Mapping[str, int],
    top: int,
    *,
    is_partial: bool,
) -> list[Bar]:
    """One day's bars from the ground up; nothing where the value is zero."""
    pitch, ground, bars = WIDTH / columns, float(HEIGHT), []
    for name, of_day in series.items():
        value = of_day.get(day, 0)
        if value <= 0:
            continue
        height = HEIGHT * value / top
        ground -= height
        x, width = index * pitch + pitch * _GAP_SHARE / 2, pitch * (1 - _GAP_SHARE)
        title = f"{spoken(date.fromisoformat(day))}, {name}: {amount(value)}"
        shape = (round(x, 2), round(ground, 2), round(width, 2), round(height, 2))
        bars.append(Bar(day, numbers[name], *shape, title, is_partial))
    return bars


def spoken(day: date) -> str:
    """A day as it is read, such as `5 Mar`."""
    return f"{day.day} {day:%b}"


def _marks(days: Sequence[date]) -> list[str]:
    """The first day, the last, and the one between them where there are enough."""
    chosen = [days[0], days[len(days) // 2], days[-1]] if len(days) > 6 else list(days)
    return [spoken(day) for day in chosen]

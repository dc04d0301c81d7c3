"""Bars by day: whole ticks, zero that looks like zero, few series, and a table that says the same."""

from datetime import date, timedelta

import pytest

from fluxhouse.console.charts import HEIGHT, WIDTH, amount, stacked, ticks_to

TODAY = date(2026, 3, 5)
DAYS = [TODAY - timedelta(days=number) for number in (2, 1, 0)]


@pytest.mark.parametrize(
    ("greatest", "ticks"),
    [
        (0, [0, 1]),
        (0.4, [0, 1]),
        (3, [0, 1, 2, 3]),
        (6, [0, 2, 4, 6]),
        (23, [0, 5, 10, 15, 20, 25]),
        (26, [0, 10, 20, 30]),
        (1_000_001, [0, 500_000, 1_000_000, 1_500_000]),
    ],
)
def test_ticks_are_whole_and_few(greatest, ticks):
    """Nobody makes 0.4 requests."""
    assert ticks_to(greatest) == ticks


def test_bars_stand_on_each_other_and_nothing_stands_for_zero():
    """In the order of the legend, the largest at the bottom; today is not over."""
    chart = stacked(DAYS, {"a": {"2026-03-03": 1}, "b": {"2026-03-03": 3, "2026-03-05": 2}}, TODAY)
    assert chart.legend == [(1, "b"), (2, "a")]
    shapes = [(bar.day[-2:], bar.series, bar.y, bar.height, bar.is_partial) for bar in chart.bars]
    assert shapes == [
        ("03", 1, HEIGHT * 0.25, HEIGHT * 0.75, False),
        ("03", 2, 0, HEIGHT * 0.25, False),
        ("05", 1, HEIGHT * 0.5, HEIGHT * 0.5, True),
    ]
    assert all(bar.x >= 0 and bar.x + bar.width <= WIDTH for bar in chart.bars)
    assert chart.table == [("2026-03-05", [2, 0], 2), ("2026-03-04", [0, 0], 0), ("2026-03-03", [3, 1], 4)]
    assert chart.bars[1].title == "3 Mar, a: 1"


def test_beyond_five_series_the_smallest_are_one():
    """None of it is lost."""
    chart = stacked(DAYS, {f"m{n}": {"2026-03-04": n} for n in range(1, 9)}, TODAY)
    assert chart.legend == [(1, "m8"), (2, "m7"), (3, "m6"), (4, "m5"), (5, "m4"), (0, "other")]
    assert chart.total == 36
    assert chart.bars[-1].title == "4 Mar, other: 6"


def test_a_long_axis_names_its_ends_and_its_middle():
    """A short one every day."""
    days = [TODAY - timedelta(days=number) for number in range(29, -1, -1)]
    assert stacked(days, {}, TODAY).marks == ["4 Feb", "19 Feb", "5 Mar"]
    assert stacked(DAYS, {}, TODAY).marks == ["3 Mar", "4 Mar", "5 Mar"]


def test_amounts_have_the_decimals_they_need():
    """Two at most."""
    assert [amount(value) for value in (0, 1200, 1.5, 0.126)] == ["0", "1,200", "1.5", "0.13"]

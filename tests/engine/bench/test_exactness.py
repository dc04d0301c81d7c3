"""Parity, drift and packing are measured and not assumed."""

import pytest

from fluxhouse.engine.bench.exactness import drift, packing, parity
from fluxhouse.engine.bench.sides import Ours, Theirs
from fluxhouse.engine.bench.stream import Job
from fluxhouse.generation.request import Acceleration

JOBS = [Job(0, 64, 64, 2, lora=1), Job(1, 96, 64, 3)]


def test_parity_is_the_largest_difference_alone_and_in_a_pack(sides: tuple[Ours, Theirs]) -> None:
    """At `none` next to nothing, and at a lossy level more than nothing."""
    dtype, loras, alone, packed, largest = parity(*sides, JOBS)
    assert (dtype, loras) == ("float32", "with")
    assert max(float(alone), float(packed)) <= 1e-5 < float(largest)
    assert float(parity(*sides, JOBS, Acceleration.REGULAR)[2]) > 0.0


@pytest.mark.long
def test_drift_and_packing_have_a_row_for_each_level(sides: tuple[Ours, Theirs]) -> None:
    """And a column for each number of segments."""
    ours, _ = sides
    assert [row[0] for row in drift(ours, JOBS[1]).rows] == ["regular", "high"]
    figures = packing(ours, (32, 64), (Acceleration.NONE, Acceleration.REGULAR), 16)
    assert [row[:2] for row in figures.rows] == [
        (level, f"{size} x {size}") for level in ("none", "regular") for size in (32, 64)
    ]
    assert all(len(row) == len(figures.columns) for row in figures.rows)

"""The process's own loop heeds a cancel at the next step, and what it costs is counted."""

from fluxhouse.engine.bench.loop import cancel, overhead
from fluxhouse.engine.bench.sides import Ours, Theirs
from fluxhouse.engine.bench.stream import Job


def test_a_cancel_takes_at_most_the_step_that_runs(sides: tuple[Ours, Theirs]) -> None:
    """Wherever in the step it comes."""
    figures = cancel(sides[0], Job(0, 128, 128, 12), seed=1)
    assert int(figures.rows[0][1]) <= 1
    assert figures.notes[0].endswith("reached")


def test_the_overhead_is_what_is_not_the_forward(sides: tuple[Ours, Theirs]) -> None:
    """Of 11 steps, for the first one sets up; the forward is a part of a step."""
    ((_, steps, step, forward, share),) = overhead(sides[0], Job(0, 64, 64, 12)).rows
    assert steps == "12"
    assert 0.0 < float(forward) <= float(step)
    assert 0.0 <= float(share.rstrip("%")) < 100.0

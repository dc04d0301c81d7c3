"""The floor is the published one, and verdicts follow the figures."""

import pytest

from fluxhouse.engine.bench.architectures import ARCHITECTURES
from fluxhouse.engine.bench.comparison import BATCHES, QUEUE, Streams, floor_seconds, one_request
from fluxhouse.engine.bench.figures import against_aim, interleaved
from fluxhouse.engine.bench.sides import Ours, Theirs
from fluxhouse.engine.bench.stream import Job, mixed
from fluxhouse.generation.request import Acceleration


@pytest.mark.parametrize(("name", "steps", "seconds"), [("dev", 28, 2.64), ("schnell", 4, 0.352)])
def test_the_floor_is_the_published_one(name: str, steps: int, seconds: float) -> None:
    """74.4 and 69.5 TFLOP a step at 790 TFLOP/s."""
    assert floor_seconds(ARCHITECTURES[name], Job(0, 1024, 1024, steps)) == pytest.approx(seconds, rel=0.003)


def test_works_take_turns_and_the_first_round_does_not_count() -> None:
    """Each work's median is of its own seconds, and no work always goes first."""
    called: list[str] = []
    given = {"a": iter([9.0, 1.0, 3.0, 2.0]), "b": iter([9.0, 4.0, 4.0, 5.0])}

    def work(name: str) -> float:
        called.append(name)
        return next(given[name])

    found = interleaved(3, {"a": lambda: work("a"), "b": lambda: work("b")})
    assert found == {"a": 2.0, "b": 4.0}
    assert "".join(called) == "baabbaab"


def test_an_aim_is_reached_or_missed() -> None:
    """The sentence says by how much."""
    assert against_aim("speed", 1.3, 1.3) == "speed: 1.30 times, aim 1.3: reached"
    assert against_aim("speed", 1.1, 1.3).endswith("missed")


def test_one_request_is_made_by_all_and_against_a_floor(sides: tuple[Ours, Theirs]) -> None:
    """Every side and level has its row, diffusers being its own measure."""
    ours, theirs = sides
    figures = one_request(ours, {"diffusers": theirs}, [Job(0, 64, 64, 1)], 1, ARCHITECTURES["tiny"])
    by = [row[1] for row in figures.rows]
    assert by == ["diffusers", "ours, none", "ours, regular", "ours, high", "ours, high without cache"]
    assert figures.rows[0][3] == "1.00 x"
    assert len(figures.columns) == len(figures.rows[0]) == 5


@pytest.mark.long
def test_a_stream_is_served_by_all_in_both_kinds_of_arrival(sides: tuple[Ours, Theirs]) -> None:
    """Four services twice, four verdicts on each kind, and a word on the jobs."""
    ours, theirs = sides
    figures = Streams(ours, theirs, mixed(4, 64, 2, 1), (Acceleration.REGULAR,), rounds=1, seed=1).figures()
    services = [QUEUE, BATCHES, "ours, regular, reproducible", "ours, regular, packed"]
    assert [row[:2] for row in figures.rows] == [(kind, by) for kind in ("burst", "Poisson") for by in services]
    assert len(figures.notes) == 9

"""Streams are the same for the same seed, and a queue before a pipeline serves them as such a server would."""

from collections.abc import Sequence
from dataclasses import replace

import pytest

from fluxhouse.engine.bench.stream import Job, Served, mixed, percentile, poisson, queued

SMALL = Job(0, 64, 64, 4)
LARGE = replace(SMALL, number=1, width=256, steps=12, short=False)


def test_a_stream_is_mixed_and_reproducible() -> None:
    """Kinds, LoRAs and arrivals follow the seed; some jobs are short and some are not."""
    jobs = mixed(60, unit=64, loras=2, seed=3)
    assert jobs == mixed(60, unit=64, loras=2, seed=3) != mixed(60, unit=64, loras=2, seed=4)
    assert {job.lora for job in jobs} == {None, 0, 1}
    assert {job.short for job in jobs} == {True, False}
    assert len({job.kind for job in jobs}) == 6
    assert {job.lora for job in mixed(60, unit=64, loras=0, seed=3)} == {None}
    coming = poisson(jobs, mean_seconds=2.0, seed=1)
    arrivals = [job.arrival for job in coming]
    assert arrivals == sorted(arrivals)
    assert arrivals[-1] / len(jobs) == pytest.approx(2.0, rel=0.5)


def test_one_at_a_time_lets_the_short_wait_behind_the_long() -> None:
    """The clock stands where the work has got to, and skips what is idle."""
    served = queued([LARGE, replace(SMALL, arrival=1.0), replace(SMALL, number=2, arrival=99.0)], lambda _: 10.0, 1)
    assert served == Served({1: 10.0, 0: 20.0, 2: 109.0}, 30.0)
    jobs = [LARGE, replace(SMALL, arrival=1.0)]
    assert served.waits(jobs, lambda _: 10.0) == [9.0]


def test_a_batch_is_of_one_kind_and_lora_and_no_larger_than_allowed() -> None:
    """What has not arrived yet is in no batch."""
    batches: list[list[int]] = []

    def make(batch: Sequence[Job]) -> float:
        batches.append([job.number for job in batch])
        return 10.0

    like = [replace(SMALL, number=number) for number in (2, 3, 4)]
    other = [replace(SMALL, number=5, lora=0), replace(SMALL, number=6, arrival=5.0)]
    queued([SMALL, LARGE, *like, *other], make, 3)
    assert batches == [[0, 2, 3], [1], [4, 6], [5]]


def test_a_percentile_is_one_of_the_values() -> None:
    """Or nothing, where there is none."""
    assert percentile([1.0, 2.0, 3.0, 4.0], 50) == 3.0
    assert percentile([1.0, 2.0], 95) == 2.0
    assert percentile([], 95) == 0.0

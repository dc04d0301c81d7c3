"""Streams of mixed jobs in the time that work takes, and what a server of diffusers' kind makes of them; no torch."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import accumulate

_KINDS = (
    # width and height in units, steps, how often
    (1, 1, 4, 6),
    (2, 1, 4, 3),
    (1, 2, 6, 2),
    (2, 2, 4, 2),
    (3, 2, 8, 1),
    (3, 3, 28, 1),
)
_SHORT_STEPS, _SHORT_AREA = 4, 2


@dataclass(frozen=True, slots=True)
class Job:
    """One picture asked for at `arrival` seconds; `lora` is a LoRA's number, None for none."""

    number: int
    width: int
    height: int
    steps: int
    lora: int | None = None
    arrival: float = 0.0
    short: bool = True

    @property
    def kind(self) -> tuple[int, int, int]:
        """What a batch of diffusers must have in common, beside the LoRA."""
        return self.width, self.height, self.steps

    @property
    def seed(self) -> int:
        return 1000 + self.number


@dataclass(frozen=True, slots=True)
class Served:
    """When each job of a stream ended, by its number, and the seconds that were spent on all of them."""

    ends: dict[int, float]
    busy: float

    def waits(self, jobs: Sequence[Job], alone: Callable[[Job], float]) -> list[float]:
        """How much longer than `alone` each short job took from arrival to end, in ascending order."""
        return sorted(max(0.0, self.ends[job.number] - job.arrival - alone(job)) for job in jobs if job.short)


def mixed(count: int, unit: int, loras: int, seed: int) -> list[Job]:
    """Jobs of six kinds, short ones more often; a third of them with one of `loras` LoRAs."""
    chance = random.Random(seed)
    jobs = []
    for number, kind in enumerate(chance.choices(_KINDS, [often for *_, often in _KINDS], k=count)):
        wide, high, steps, _ = kind
        lora = chance.randrange(loras) if loras and chance.random() < 1 / 3 else None
        short = steps <= _SHORT_STEPS and wide * high <= _SHORT_AREA
        jobs.append(Job(number, wide * unit, high * unit, steps, lora, short=short))
    return jobs


def poisson(jobs: Sequence[Job], mean_seconds: float, seed: int) -> list[Job]:
    """The same jobs, coming at random `mean_seconds` apart on average."""
    chance = random.Random(seed)
    arrivals = accumulate(chance.expovariate(1.0 / mean_seconds) for _ in jobs)
    return [replace(job, arrival=arrival) for job, arrival in zip(jobs, arrivals, strict=True)]


def queued(jobs: Sequence[Job], make: Callable[[Sequence[Job]], float], most: int) -> Served:
    """A queue before a pipeline that takes up to `most` jobs of one kind and LoRA at once, the oldest first.

    `make` makes them and says how many seconds that took.
    """
    waiting = sorted(jobs, key=lambda job: job.arrival)
    clock = busy = 0.0
    ends: dict[int, float] = {}
    while waiting:
        first = waiting[0]
        clock = max(clock, first.arrival)
        like = [job for job in waiting if (job.kind, job.lora) == (first.kind, first.lora) and job.arrival <= clock]
        batch = like[:most]
        seconds = make(batch)
        clock, busy = clock + seconds, busy + seconds
        ends |= {job.number: clock for job in batch}
        waiting = [job for job in waiting if job.number not in ends]
    return Served(ends, busy)


def percentile(ordered: Sequence[float], percent: float) -> float:
    """The value that so many percent do not exceed; 0 where there is none."""
    return ordered[min(len(ordered) - 1, int(len(ordered) * percent / 100))] if ordered else 0.0

"""One request and mixed streams: the engine's levels against diffusers' pipeline, interleaved."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from statistics import median

from fluxhouse.engine.bench.architectures import Architecture
from fluxhouse.engine.bench.figures import Figures, against_aim, interleaved, milliseconds, times
from fluxhouse.engine.bench.sides import Ours, Theirs
from fluxhouse.engine.bench.stream import Job, Served, percentile, poisson, queued
from fluxhouse.generation.request import Acceleration

_SINGLE_AIM, _THROUGHPUT_AIM, _WAIT_AIM = 1.2, 1.3, 3.0
_BATCH = 8
_LOAD = 0.8
_RATE = 790e12
"""FLOP/s in bfloat16 that the floor assumes: what good kernels reach on an H100 or H200."""
QUEUE, BATCHES = "diffusers, one at a time", "diffusers, same-shape batches"


def one_request(
    ours: Ours, theirs: Mapping[str, Theirs], jobs: Sequence[Job], rounds: int, floor: Architecture | None = None
) -> Figures:
    """Seconds from request to decoded picture, text encoding left out; where a `floor` is given, ratios to it.

    And then `high` without its cache too, which is FP8 by itself.
    """
    uncached = ours.without_cache()
    rows, notes = [], []
    for job in jobs:
        works: dict[str, Callable[[], float]] = {
            name: partial(_spent, side, partial(side.make, [job], decoded=True)) for name, side in theirs.items()
        }
        for level in Acceleration:
            works[f"ours, {level.value}"] = partial(_spent, ours, partial(ours.picture, job, level))
        if floor is not None:
            whole = partial(uncached.picture, job, Acceleration.HIGH)
            works["ours, high without cache"] = partial(_spent, ours, whole)
        found = interleaved(rounds, works)
        best = min(found[name] for name in theirs)
        for name, seconds in found.items():
            ratios = [times(best / seconds)]
            if floor is not None:
                ratios.append(times(seconds / floor_seconds(floor, job)))
            rows.append((f"{job.width} x {job.height}, {job.steps} steps", name, f"{seconds:.3f}", *ratios))
        what = f"{job.width} x {job.height}, regular, against diffusers"
        notes.append(against_aim(what, best / found["ours, regular"], _SINGLE_AIM))
    columns = ("picture", "by", "seconds", "against diffusers", *(["of the floor"] if floor else []))
    return Figures("(a) One request", columns, tuple(rows), tuple(notes))


def _spent(side: Ours | Theirs, work: Callable[[], object]) -> float:
    return side.clock.spent(work)


def floor_seconds(architecture: Architecture, job: Job) -> float:
    """What the transformer's multiplications alone take at 790 TFLOP/s; pixels by 16 to a token's side."""
    width, blocks = architecture.heads * sum(architecture.axes), architecture.doubles + architecture.singles
    tokens = (job.width // 16) * (job.height // 16) + architecture.text_tokens
    return job.steps * blocks * (24 * width**2 * tokens + 4 * tokens**2 * width) / _RATE


@dataclass(frozen=True, slots=True)
class Outcome:
    """Medians over the rounds of one stream."""

    busy: float
    last: float
    short_wait: float
    short_end: float


class Streams:
    """The same jobs before each kind of service."""

    def __init__(
        self,
        ours: Ours,
        theirs: Theirs,
        jobs: Sequence[Job],
        levels: Sequence[Acceleration],
        rounds: int,
        seed: int,
    ) -> None:
        self._theirs, self._jobs, self._rounds, self._seed = theirs, jobs, rounds, seed
        self._services: dict[str, Callable[[Sequence[Job]], Served]] = {
            QUEUE: lambda jobs: queued(jobs, theirs.seconds, 1),
            BATCHES: lambda jobs: queued(jobs, theirs.seconds, _BATCH),
        }
        for level in levels:
            for kind, proven in (("reproducible", True), ("packed", False)):
                self._services[f"ours, {level.value}, {kind}"] = partial(ours.serve, level=level, proven=proven)

    def figures(self) -> Figures:
        kinds = {(job.kind, job.lora): job for job in self._jobs}.values()
        alone = {(job.kind, job.lora): min(self._theirs.seconds([job]) for _ in range(2)) for job in kinds}

        def own(job: Job) -> float:
            return alone[job.kind, job.lora]

        mean = sum(map(own, self._jobs)) / len(self._jobs)
        rows, notes = [], []
        for arrivals, jobs in (
            ("burst", self._jobs),
            ("Poisson", poisson(self._jobs, mean / _LOAD, self._seed)),
        ):
            found = self._outcomes(jobs, own)
            rows += [(arrivals, name, *_cells(one, found, len(jobs))) for name, one in found.items()]
            notes += _verdicts(arrivals, found)
        columns = ("arrivals", "by", "images/s", "against batches", "short p95 wait ms", "short p95 to end ms")
        short = sum(job.short for job in self._jobs)
        notes.append(
            f"{len(self._jobs)} jobs, {short} of them short; Poisson at {_LOAD:.0%} of what one at a time takes"
        )
        return Figures("(b) A mixed stream", columns, tuple(rows), tuple(notes))

    def _outcomes(self, jobs: Sequence[Job], own: Callable[[Job], float]) -> dict[str, Outcome]:
        seen: dict[str, list[Served]] = {name: [] for name in self._services}
        names = list(self._services)
        for number in range(self._rounds):
            for name in names if number % 2 else reversed(names):
                seen[name].append(self._services[name](jobs))
        return {name: _outcome(served, jobs, own) for name, served in seen.items()}


def _outcome(served: Sequence[Served], jobs: Sequence[Job], own: Callable[[Job], float]) -> Outcome:
    return Outcome(
        median(one.busy for one in served),
        median(max(one.ends.values()) for one in served),
        median(percentile(one.waits(jobs, own), 95) for one in served),
        median(percentile(one.waits(jobs, lambda _: 0.0), 95) for one in served),
    )


def _cells(one: Outcome, found: Mapping[str, Outcome], count: int) -> tuple[str, ...]:
    gain = found[BATCHES].busy / one.busy
    return f"{count / one.busy:.2f}", times(gain), milliseconds(one.short_wait), milliseconds(one.short_end)


def _verdicts(arrivals: str, found: Mapping[str, Outcome]) -> list[str]:
    verdicts = []
    for name in ("ours, regular, reproducible", "ours, regular, packed"):
        ours = found[name]
        gain = found[BATCHES].busy / ours.busy
        verdicts.append(against_aim(f"{arrivals}, {name}, throughput over batches", gain, _THROUGHPUT_AIM))
        shorter = found[QUEUE].short_wait / max(ours.short_wait, 1e-6)
        verdicts.append(against_aim(f"{arrivals}, {name}, p95 wait of short jobs, {QUEUE}", shorter, _WAIT_AIM))
    return verdicts

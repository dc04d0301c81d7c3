"""All measurements of the engine in one run: one request, streams, the loop, packing, exactness, hot spots."""

from __future__ import annotations

import gc
import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from importlib.util import find_spec
from pathlib import Path

import torch

from fluxhouse.engine.bench import exactness, loop, stream
from fluxhouse.engine.bench.architectures import ARCHITECTURES
from fluxhouse.engine.bench.comparison import Streams, one_request
from fluxhouse.engine.bench.figures import Figures
from fluxhouse.engine.bench.hotspots import hotspots
from fluxhouse.engine.bench.sides import Ours, Theirs, random_loras
from fluxhouse.generation.request import Acceleration

PARTS = ("parity", "one", "stream", "loop", "packing", "profile")
_LORAS = 2


@dataclass(frozen=True, slots=True)
class Plan:
    """What to measure on which device; `folder` is for LoRA files, `threads` are of a CPU."""

    device: str
    architecture: str
    dtype: str
    rounds: int
    jobs: int
    seed: int
    threads: int
    folder: Path
    parts: tuple[str, ...] = PARTS


def devices() -> tuple[str, ...]:
    """The kinds of device that are at hand."""
    return ("cpu", "cuda") if torch.cuda.is_available() else ("cpu",)


def run(plan: Plan) -> Iterator[Figures]:
    """The figures of each part, as soon as they are known."""
    logging.getLogger("diffusers").setLevel(logging.ERROR)
    if plan.device == "cpu":
        torch.set_num_threads(plan.threads)
    with torch.no_grad():
        yield from Measurement(plan).figures()
    gc.collect()
    if plan.device == "cuda":
        torch.cuda.empty_cache()


class Measurement:
    """One architecture on one device, both sides in memory."""

    def __init__(self, plan: Plan) -> None:
        self._plan, self._architecture = plan, ARCHITECTURES[plan.architecture]
        self._device = torch.device(plan.device)
        self._on_cuda = self._device.type == "cuda"
        weights = self._architecture.build(self._device, getattr(torch, plan.dtype))
        # What torch has compiled cannot switch LoRAs, so on CUDA neither side has any.
        loras = _LORAS if find_spec("peft") and not self._on_cuda else 0
        self._loras = random_loras(weights, loras, plan.folder)
        self._ours = Ours(weights, self._architecture, self._loras, compiled=self._on_cuda)
        self._theirs = Theirs(weights, self._architecture, self._loras)

    def figures(self) -> Iterator[Figures]:
        yield self._subject()
        parts = {
            "parity": self._parity,
            "one": self._one,
            "stream": self._stream,
            "loop": self._loop,
            "packing": self._packing,
            "profile": self._profile,
        }
        for name, part in parts.items():
            if name in self._plan.parts:
                yield from part()

    def _subject(self) -> Figures:
        plan, parameters = self._plan, sum(one.numel() for one in self._ours.weights.transformer.parameters())
        where = torch.cuda.get_device_name(self._device) if self._on_cuda else f"CPU, {plan.threads} thread"
        clock = "elapsed time" if self._on_cuda else "processor time"
        row = (plan.architecture, f"{parameters / 1e6:,.1f} M", plan.dtype, where, clock, torch.__version__)
        return Figures("Measured", ("architecture", "parameters", "type", "on", "by", "torch"), (row,))

    def _parity(self) -> Iterator[Figures]:
        """In the run's own type and, on a CPU, in the other one too."""
        jobs = self._unlike()
        rows = [exactness.parity(self._ours, self._theirs, jobs)]
        if self._loras:
            changed = [replace(job, lora=job.number % 2) for job in jobs]
            rows.append(exactness.parity(self._ours, self._theirs, changed))
        if not self._on_cuda:
            dtype = torch.float32 if self._plan.dtype == "bfloat16" else torch.bfloat16
            weights = self._architecture.build(self._device, dtype)
            ours, theirs = Ours(weights, self._architecture), Theirs(weights, self._architecture)
            rows.append(exactness.parity(ours, theirs, jobs))
        yield exactness.parity_figures(rows)
        yield exactness.drift(self._ours, self._single())

    def _one(self) -> Iterator[Figures]:
        theirs = {"diffusers": self._theirs}
        if self._on_cuda:
            compiled = Theirs(self._ours.weights, self._architecture)
            compiled.compile()
            theirs["diffusers, compiled"] = compiled
            self._theirs = compiled
        architecture, single = self._architecture, self._single()
        smaller = stream.Job(1, architecture.unit, architecture.unit, architecture.steps)
        jobs = [smaller, single] if smaller.width < single.width else [single]
        yield one_request(self._ours, theirs, jobs, self._plan.rounds, architecture if self._on_cuda else None)

    def _stream(self) -> Iterator[Figures]:
        jobs = stream.mixed(self._plan.jobs, self._architecture.unit, len(self._loras), self._plan.seed)
        levels = self._levels()
        for job in {job.kind: job for job in jobs}.values():
            for level in levels:
                # So that costs are known, and kernels compiled, before anything is measured.
                self._ours.picture(job, level)
            self._theirs.make([job])
        yield Streams(self._ours, self._theirs, jobs, levels, self._plan.rounds, self._plan.seed).figures()

    def _loop(self) -> Iterator[Figures]:
        job = replace(self._single(), steps=12)
        yield loop.cancel(self._ours, job, self._plan.seed)
        yield loop.overhead(self._ours, job)

    def _packing(self) -> Iterator[Figures]:
        unit = self._architecture.unit
        yield exactness.packing(self._ours, (unit // 2, unit, 2 * unit), self._levels(), self._architecture.text_tokens)

    def _profile(self) -> Iterator[Figures]:
        job = replace(self._single(), steps=2)
        works: dict[str, Callable[[], object]] = {"diffusers": partial(self._theirs.make, [job])}
        for level in self._levels():
            works[f"ours, {level.value}"] = partial(self._ours.together, [job], level)
        yield hotspots(self._device, works)

    def _levels(self) -> tuple[Acceleration, ...]:
        """Those whose forwards differ in speed: on a CPU `high` is `regular` with a cache."""
        return tuple(Acceleration) if self._on_cuda else (Acceleration.NONE, Acceleration.REGULAR)

    def _single(self) -> stream.Job:
        return stream.Job(0, self._architecture.size, self._architecture.size, self._architecture.steps)

    def _unlike(self) -> list[stream.Job]:
        """Three jobs of three sizes and step counts."""
        unit = self._architecture.unit
        return [stream.Job(n, unit * (1 + n % 2), unit * (1 + n // 2), 2 + n) for n in range(3)]

"""The process's own loop under measurement: what it costs beside the forward, and how soon it heeds a cancel."""

from __future__ import annotations

import contextlib
import itertools
import queue
import random
import threading
import time
from collections.abc import Callable
from typing import Any

from fluxhouse.engine.bench.figures import Figures
from fluxhouse.engine.bench.sides import Ours
from fluxhouse.engine.bench.stream import Job
from fluxhouse.engine.confine import Readable
from fluxhouse.engine.frames import Frame
from fluxhouse.engine.link import Link
from fluxhouse.engine.process import Process
from fluxhouse.generation.request import Acceleration

_TRIALS = 5
_NUMBERS = itertools.count(1_000_000)
"""Requests of this module: their last states stay with the runner, and another's number must not find them."""


class _Over(Exception):
    """Ends the loop."""


class Tap(Link):
    """A link whose other end is this object: requests are put in, and what comes out is told to `heard`."""

    def __init__(self, heard: Callable[[Frame], None]) -> None:
        self._heard = heard
        self._frames: queue.SimpleQueue[Frame] = queue.SimpleQueue()

    def put(self, **message: Any) -> None:
        self._frames.put(message)

    def ask(self, number: int, ours: Ours, job: Job) -> None:
        request, files = ours.request(job, Acceleration.NONE)
        self.put(kind="generate", number=number, request=request.to_json(), inputs=[str(file) for file in files])

    def receive(self) -> Frame:
        return self._frames.get()

    def send(self, **message: Any) -> None:
        self._heard(message)

    def is_read(self) -> bool:
        return False


def _drive(ours: Ours, tap: Tap) -> None:
    """Run the loop until whoever hears the frames ends it."""
    process = Process(tap, ours.options, ours.runner, Readable(()))
    threading.Thread(target=process.read, name="link", daemon=True).start()
    with contextlib.suppress(_Over):
        process.run()


def overhead(ours: Ours, job: Job) -> Figures:
    """The share of the loop's time between a request's first and last step that is not the packed forward."""
    stamps: list[tuple[float, float]] = []

    def hear(message: Frame) -> None:
        if message["kind"] == "step":
            stamps.append((ours.clock.now(), ours.packed.seconds))
            if message["step"] == message["steps"]:
                raise _Over

    tap = Tap(hear)
    tap.ask(next(_NUMBERS), ours, job)
    _drive(ours, tap)
    (started, before), (ended, after) = stamps[0], stamps[-1]
    whole, forward = ended - started, after - before
    share = 1.0 - forward / whole
    ms = [f"{seconds * 1000 / (len(stamps) - 1):.2f}" for seconds in (whole, forward)]
    verdict = "reached" if share < 0.03 else "missed"
    return Figures(
        "Overhead of the loop over the packed forward",
        ("picture", "steps", "ms a step", "ms of it in the forward", "overhead"),
        ((f"{job.width} x {job.height}", str(job.steps), *ms, f"{share:.2%}"),),
        (f"overhead of the loop: {share:.2%}, aim below 3 %: {verdict}",),
    )


def cancel(ours: Ours, job: Job, seed: int) -> Figures:
    """A request cancelled at a random moment of a step, and one behind it: how long until that begins."""
    trials = [_cancelled(ours, job, random.Random(seed + trial)) for trial in range(_TRIALS)]
    steps, waited = max(steps for steps, _ in trials), max(share for _, share in trials)
    verdict = "reached" if steps <= 1 else "missed"
    return Figures(
        "Cancel in the middle of a step",
        ("trials", "steps ended after the cancel, at most", "next request begins after, at most"),
        ((str(_TRIALS), str(steps), f"{waited:.2f} steps"),),
        (f"a cancel takes {steps} step, aim at most 1: {verdict}",),
    )


def _cancelled(ours: Ours, job: Job, chance: random.Random) -> tuple[int, float]:
    """Steps of the cancelled request that ended after the cancel, and the wait behind it in steps."""
    first, second = next(_NUMBERS), next(_NUMBERS)
    stamps: list[float] = []
    moment = threading.Event()
    cancelled_at = begun_at = 0.0
    late = 0

    def hear(message: Frame) -> None:
        nonlocal begun_at, late
        if message["kind"] == "begun" and message["number"] == second:
            begun_at = time.perf_counter()
            raise _Over
        if message["kind"] == "step" and message["number"] == first:
            stamps.append(time.perf_counter())
            late += cancelled_at > 0.0
            if len(stamps) == 2:
                moment.set()

    def strike() -> None:
        nonlocal cancelled_at
        moment.wait()
        time.sleep(chance.random() * 0.9 * (stamps[1] - stamps[0]))
        tap.put(kind="cancel", number=first)
        cancelled_at = time.perf_counter()
        tap.ask(second, ours, job)

    tap = Tap(hear)
    tap.ask(first, ours, job)
    striker = threading.Thread(target=strike, daemon=True)
    striker.start()
    _drive(ours, tap)
    striker.join()
    return late, (begun_at - cancelled_at) / (stamps[1] - stamps[0])

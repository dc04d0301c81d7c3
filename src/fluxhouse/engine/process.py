"""The engine's own process: takes requests from its link, steps them together, sends what comes of it.

One thread reads the link, so that a cancel is seen at the next step; the main thread is the only one that steps, and
what is finished is decoded and written beside it. It ends by itself when the link closes, and says of itself which of
its work takes so long that it must hang: then its parent ends it.
"""

from __future__ import annotations

import os
import queue
import socket
import sys
import threading
import time
import traceback
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import torch

from fluxhouse.engine import confine, frames
from fluxhouse.engine.checkers import examine_checker
from fluxhouse.engine.finisher import Finisher, Outcome, decode
from fluxhouse.engine.link import Link
from fluxhouse.engine.options import EngineOptions
from fluxhouse.engine.runner import Runner, sample_request
from fluxhouse.engine.safety import Checker
from fluxhouse.engine.scheduler import Scheduler
from fluxhouse.engine.stepper import Stepper
from fluxhouse.engine.trajectory import Trajectory, check, plan, preview_due
from fluxhouse.engine.watch import Watch
from fluxhouse.generation.errors import GenerationFailed, PlatformError
from fluxhouse.generation.request import GenerationRequest


@dataclass(slots=True)
class _Open:
    """A request whose images are being made: its files, the seconds spent on it, how many images are to come."""

    inputs: tuple[Path, ...]
    missing: int
    seconds: float = 0.0
    begun: bool = False


class Process:
    """The loop over what has come in and what steps next."""

    def __init__(
        self,
        link: Link,
        options: EngineOptions,
        runner: Runner,
        readable: confine.Readable,
        checker: Checker | None = None,
    ) -> None:
        self._link = link
        self._options = options
        self._runner = runner
        self._readable = readable
        self._checks = checker is not None
        self._scheduler = Scheduler(runner.models.profile, runner.models.pack_tokens)
        self._came: queue.SimpleQueue[frames.Frame | tuple[Trajectory, Outcome]] = queue.SimpleQueue()
        self._watch = Watch(options.hang_seconds)
        self._finisher = Finisher(
            options.name, lambda trajectory, outcome: self._came.put((trajectory, outcome)), self._watch, checker
        )
        self._stepper = Stepper(runner, self._scheduler, lambda trajectory, error: self._fail(trajectory.number, error))
        self._open: dict[int, _Open] = {}

    def read(self) -> None:
        """Pass on what comes, until the link closes; then end the process, whatever it computes."""
        try:
            while True:
                message = self._link.receive()
                if message["kind"] == "ping":
                    self._link.send(kind="pong", hung=self._watch.hung())
                else:
                    self._came.put(message)
        except (frames.LinkClosed, OSError):
            os._exit(0)

    def run(self) -> None:
        """Step what waits, one step at a time, and look at what has come before each."""
        pack: list[Trajectory] = []
        while True:
            self._take_in(wait=not pack)
            with self._watch.over("choosing"):
                pack = self._scheduler.choose(self._runner.fits)
            if pack:
                with self._watch.over("a step", **self._granted(pack)):
                    self._advance(pack)

    def _granted(self, pack: Sequence[Trajectory]) -> Mapping[str, float]:
        """The seconds that a step of the pack should take, or as many more as a load may where nobody knows that."""
        usual = [self._runner.models.usual_seconds(trajectory) for trajectory in pack]
        known = [seconds for seconds in usual if seconds is not None]
        extra = self._options.start_seconds if len(known) < len(usual) else 0.0
        return {"usual_seconds": sum(known), "extra_seconds": extra}

    def _take_in(self, wait: bool) -> None:
        """Take in all that has come; first `wait` for something, where nothing could be stepped."""
        while wait or not self._came.empty():
            message = self._came.get()
            wait = False
            number = message[0].number if isinstance(message, tuple) else message["number"]
            with self._watch.over("taking in"):
                try:
                    self._take(number, message)
                except PlatformError as error:
                    self._fail(number, error)
                except Exception:
                    # It is about one request: the others must not end with it.
                    traceback.print_exc()
                    self._fail(number, GenerationFailed())

    def _take(self, number: int, message: frames.Frame | tuple[Trajectory, Outcome]) -> None:
        if isinstance(message, tuple):
            self._deliver(*message)
        elif message["kind"] == "cancel":
            self._forget(number)
        else:
            self._add(number, message)

    def _add(self, number: int, message: frames.Frame) -> None:
        """Let a request wait for its first step. Raises RequestRejected."""
        request = GenerationRequest.from_json(message["request"])
        inputs = tuple(Path(path) for path in message["inputs"])
        check(request, inputs, self._options.max_pixels)
        weights = self._options.models[request.model]
        trajectories = plan(number, request, inputs, weights, self._runner.models.grid(request.model))
        self._open[number] = _Open(inputs, len(trajectories))
        self._readable.admit(path for one in self._open.values() for path in one.inputs)
        self._scheduler.add(trajectories)

    def _advance(self, pack: Sequence[Trajectory]) -> None:
        """One step of the pack, and what follows from it."""
        self._announce(pack)
        before = {trajectory: trajectory.seconds for trajectory in pack}
        for trajectory in self._stepper.step(pack):
            if trajectory.number not in self._open:
                continue  # Another of its request's images has failed meanwhile.
            place = {"number": trajectory.number, "index": trajectory.index, "step": trajectory.step}
            seconds = trajectory.seconds - before[trajectory]
            self._link.send(kind="step", steps=trajectory.steps, seconds=seconds, **place)
            if trajectory.finished:
                self._stepper.guard(trajectory, partial(self._hand_on, trajectory))
            elif _shows(trajectory, self._checks) and self._link.is_read():
                self._preview(trajectory, place)

    def _announce(self, pack: Sequence[Trajectory]) -> None:
        """Say which requests begin, before the device is touched: where this process ends now, they may be why."""
        for trajectory in pack:
            if not self._open[trajectory.number].begun:
                self._open[trajectory.number].begun = True
                self._link.send(kind="begun", number=trajectory.number)

    def _hand_on(self, trajectory: Trajectory) -> None:
        self._finisher.finish(self._runner.let_go(trajectory))
        self._scheduler.remove(trajectory)

    def _preview(self, trajectory: Trajectory, place: Mapping[str, int]) -> None:
        """Show where it is heading; a job does not fail for the want of that."""
        try:
            self._link.send(kind="preview", content=self._runner.preview(trajectory), **place)
        except Exception:
            traceback.print_exc()

    def _deliver(self, trajectory: Trajectory, outcome: Outcome) -> None:
        """Pass on what the finisher has made of a trajectory."""
        number = trajectory.number
        self._runner.drop([trajectory])
        if number not in self._open:
            return
        if isinstance(outcome, PlatformError):
            self._fail(number, outcome)
            return
        fields = {name: getattr(outcome, name) for name in outcome.__dataclass_fields__}
        self._link.send(kind="image", number=number, **fields)
        request = self._open[number]
        request.seconds += trajectory.seconds
        request.missing -= 1
        if request.missing == 0:
            self._link.send(kind="finished", number=number, inference_seconds=request.seconds)
            self._forget(number)

    def _fail(self, number: int, error: PlatformError) -> None:
        self._forget(number)
        self._link.send(kind="failed", number=number, code=error.code, message=error.message, field=error.field)

    def _forget(self, number: int) -> None:
        self._runner.drop(self._scheduler.remove_request(number))
        self._open.pop(number, None)


def _shows(trajectory: Trajectory, checks: bool) -> bool:
    """Whether a preview is due; never of what a checker may yet withhold."""
    looked_at = checks and trajectory.request.tolerance is not None
    return not looked_at and preview_due(trajectory.step, trajectory.steps)


def start(link: Link, in_force: int) -> Process:
    """Make a test image with each model that the first frame names, and say that it is ready.

    `in_force` is the version of Landlock that confines this process, 0 for none.
    """
    message = link.receive()
    options = EngineOptions.from_json(message["options"])
    link.limit = options.max_frame_bytes
    if options.threads is not None:
        torch.set_num_threads(options.threads)
    readable = confine.Readable(confine.with_targets(options.places))
    confine.refuse_the_rest(readable)
    runner, checker = Runner(options), _checker(options)
    started = time.monotonic()
    for model, weights in options.models.items():
        request = sample_request(model, runner.models.grid(model))
        (trajectory,) = plan(0, request, (), weights, runner.models.grid(model))
        while not trajectory.finished:
            runner.step([trajectory])
        picture = decode(runner.let_go(trajectory))
        runner.drop([trajectory])
        if checker is not None:
            checker.score(picture)
    link.send(kind="ready", seconds=time.monotonic() - started, landlock=in_force)
    return Process(link, options, runner, readable, checker)


def _checker(options: EngineOptions) -> Checker | None:
    """The safety checker in memory, where there is to be one. Raises WeightsUnavailable."""
    return None if options.checker is None else Checker(examine_checker(options.checker), torch.device(options.device))


def main() -> int:
    confine.end_with_parent()
    link = Link(socket.socket(fileno=int(sys.argv[1])))
    try:
        process = start(link, int(sys.argv[2]))
    except PlatformError as error:
        link.send(kind="unfit", code=error.code, message=error.message)
        return 1
    except frames.LinkClosed:
        return 0
    threading.Thread(target=process.read, name="link", daemon=True).start()
    process.run()
    return 0


if __name__ == "__main__":
    sys.exit(main())

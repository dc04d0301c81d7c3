"""The engine's own process: takes requests from its link, steps them one at a time, sends what comes of it.

One thread reads the link, so that a cancel is seen at the next step; the main thread is the only one that computes.
It ends by itself when the link closes.
"""

from __future__ import annotations

import os
import queue
import select
import socket
import sys
import threading
import time
import traceback
from pathlib import Path
from typing import Any

import torch

from fluxhouse.engine import confine, frames
from fluxhouse.engine.options import EngineOptions
from fluxhouse.engine.runner import Runner, sample_request
from fluxhouse.engine.scheduler import Scheduler
from fluxhouse.engine.trajectory import Trajectory, check, plan, preview_due
from fluxhouse.generation.errors import GenerationFailed, PlatformError
from fluxhouse.generation.request import GenerationRequest


class Link:
    """This side of the link: frames out from any thread, frames in by one."""

    def __init__(self, link: socket.socket) -> None:
        self._link = link
        self._sending = threading.Lock()
        self.limit = 64 * 1024 * 1024

    def receive(self) -> frames.Frame:
        return frames.receive(self._link, self.limit)

    def send(self, **message: Any) -> None:
        """Send a frame; where nobody reads any more, the process ends."""
        packed = frames.pack(message, self.limit)
        try:
            with self._sending:
                self._link.sendall(packed)
        except ConnectionError:
            os._exit(0)

    def send_if_read(self, **message: Any) -> None:
        """Send what may be lost: nothing where the reader lags behind."""
        _, writable, _ = select.select([], [self._link], [], 0)
        if writable:
            self.send(**message)


class Process:
    """The loop over what has come in and what steps next."""

    def __init__(self, link: Link, options: EngineOptions, runner: Runner, readable: confine.Readable) -> None:
        self._link = link
        self._options = options
        self._runner = runner
        self._readable = readable
        self._scheduler = Scheduler()
        self._came: queue.SimpleQueue[frames.Frame] = queue.SimpleQueue()
        self._inputs: dict[int, tuple[Path, ...]] = {}
        self._seconds: dict[int, float] = {}
        self._begun: set[int] = set()

    def read(self) -> None:
        """Pass on what comes, until the link closes; then end the process, whatever it computes."""
        try:
            while True:
                message = self._link.receive()
                if message["kind"] == "ping":
                    self._link.send(kind="pong")
                else:
                    self._came.put(message)
        except (frames.LinkClosed, OSError):
            os._exit(0)

    def run(self) -> None:
        """Step what waits, one step at a time, and look at what has come before each."""
        while True:
            self._take_in()
            trajectory = self._scheduler.choose()
            if trajectory is None:
                continue
            try:
                self._advance(trajectory)
            except PlatformError as error:
                self._fail(trajectory.number, error)
            except Exception:
                # The outermost loop: one request must not end the others.
                traceback.print_exc()
                self._fail(trajectory.number, GenerationFailed())

    def _take_in(self) -> None:
        """Take in all that has come; wait for it where there is nothing to step."""
        while len(self._scheduler) == 0 or not self._came.empty():
            message = self._came.get()
            number = message["number"]
            if message["kind"] == "cancel":
                self._forget(number)
            else:
                try:
                    self._add(number, message)
                except PlatformError as error:
                    self._fail(number, error)

    def _add(self, number: int, message: frames.Frame) -> None:
        request = GenerationRequest.from_json(message["request"])
        inputs = tuple(Path(path) for path in message["inputs"])
        check(request, inputs, self._options.max_pixels)
        weights = self._options.models[request.model]
        self._scheduler.add(plan(number, request, inputs, weights, self._runner.grid(request.model)))
        self._inputs[number] = inputs
        self._seconds[number] = 0.0
        self._readable.admit(path for paths in self._inputs.values() for path in paths)

    def _advance(self, trajectory: Trajectory) -> None:
        before = trajectory.seconds
        if trajectory.number not in self._begun:
            # Said before the device is touched: where this process ends now, this request may be why.
            self._begun.add(trajectory.number)
            self._link.send(kind="begun", number=trajectory.number)
        self._runner.step(trajectory)
        place = {"number": trajectory.number, "index": trajectory.index, "step": trajectory.step}
        seconds = trajectory.seconds - before
        self._link.send(kind="step", steps=trajectory.steps, seconds=seconds, **place)
        if trajectory.finished:
            self._deliver(trajectory)
        elif preview_due(trajectory.step, trajectory.steps):
            self._link.send_if_read(kind="preview", content=self._runner.preview(trajectory), **place)

    def _deliver(self, trajectory: Trajectory) -> None:
        made = self._runner.decode(trajectory)
        self._scheduler.remove(trajectory)
        number = trajectory.number
        self._seconds[number] += trajectory.seconds
        fields = {name: getattr(made, name) for name in made.__dataclass_fields__}
        self._link.send(kind="image", number=number, **fields)
        if not self._scheduler.holds(number):
            self._link.send(kind="finished", number=number, inference_seconds=self._seconds[number])
            self._forget(number)

    def _fail(self, number: int, error: PlatformError) -> None:
        self._forget(number)
        self._link.send(kind="failed", number=number, code=error.code, message=error.message, field=error.field)

    def _forget(self, number: int) -> None:
        self._runner.drop(self._scheduler.remove_request(number))
        self._inputs.pop(number, None)
        self._seconds.pop(number, None)
        self._begun.discard(number)


def start(link: Link, in_force: int) -> Process:
    """Load what the first frame names, make a test image with each model, and say that it is ready.

    `in_force` is the version of Landlock that confines this process, 0 for none.
    """
    message = link.receive()
    options = EngineOptions.from_json(message["options"])
    link.limit = options.max_frame_bytes
    if options.threads is not None:
        torch.set_num_threads(options.threads)
    places = (path for weights in options.models.values() for path in weights.places)
    readable = confine.Readable(confine.with_targets(places))
    confine.refuse_the_rest(readable)
    runner = Runner(options)
    started = time.monotonic()
    for model, weights in options.models.items():
        request = sample_request(model, runner.grid(model))
        (trajectory,) = plan(0, request, (), weights, runner.grid(model))
        while not trajectory.finished:
            runner.step(trajectory)
        runner.decode(trajectory)
    link.send(kind="ready", seconds=time.monotonic() - started, landlock=in_force)
    return Process(link, options, runner, readable)


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

"""The engine's process survives what goes wrong with a request, and never outlives its parent."""

import itertools
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from fluxhouse.engine import confine, frames, process
from fluxhouse.engine.link import Link
from fluxhouse.engine.options import EngineOptions, ModelWeights
from fluxhouse.engine.process import Process
from fluxhouse.engine.runner import Runner
from fluxhouse.engine.trajectory import Trajectory
from fluxhouse.generation.image import MadeImage
from fluxhouse.generation.request import GenerationRequest

PARENT = """
import asyncio, sys, time
from pathlib import Path
from fluxhouse.engine.engine import Engine
from fluxhouse.engine.options import EngineOptions, ModelWeights

async def main():
    engine = Engine(EngineOptions({"flux": ModelWeights(Path(sys.argv[1]), 4, 3.5, 48)}))
    await engine.start()
    assert "torch" not in sys.modules
    sys.stdout.write(f"{engine.pid}\\n")
    sys.stdout.flush()
    time.sleep(60)

asyncio.run(main())
"""


def test_its_process_ends_with_its_parent(checkpoint: Path) -> None:
    """kill -9 of the parent leaves no process behind, and the parent never imported torch."""
    parent = subprocess.Popen([sys.executable, "-c", PARENT, str(checkpoint)], stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    with parent.stdout:
        pid = next(line.strip() for line in parent.stdout if line.strip().isdigit())
        parent.kill()
        parent.wait()
    stat = Path(f"/proc/{pid}/stat")
    for _ in range(100):
        if not stat.exists() or stat.read_text().split()[2] == "Z":
            return
        time.sleep(0.05)
    pytest.fail("the engine's process outlived its parent")


REQUEST = GenerationRequest(model="flux", prompt="a fox", width=64, height=64, seed=1, steps=4, count=2)


class Bench:
    """A process over the built-in model that is stepped by hand, and what it sends."""

    def __init__(self, folder: Path, there: socket.socket, here: socket.socket) -> None:
        weights = ModelWeights(folder, steps=4, guidance=3.5, max_text_tokens=16)
        options = EngineOptions({"flux": weights}, packing="always")
        self.runner = Runner(options)
        self.process = Process(Link(there), options, self.runner, confine.Readable([folder]))
        self._here = here

    def ask(self, number: int, request: GenerationRequest = REQUEST) -> None:
        self.process._add(number, {"request": request.to_json(), "inputs": []})

    def step(self) -> None:
        self.process._advance(self.process._scheduler.choose(self.runner.fits))

    def ends(self) -> dict[int, str]:
        """Step until nothing waits; how each request has ended, and that nothing is left of it."""
        ends: dict[int, str] = {}
        while self.process._open:
            if len(self.process._scheduler):
                self.step()
            self.process._take_in(wait=not len(self.process._scheduler))
        assert not self.runner._held
        assert not len(self.process._scheduler)
        self._here.settimeout(0)
        while True:
            try:
                frame = frames.receive(self._here, 2**24)
            except BlockingIOError:
                return ends
            if frame["kind"] in ("finished", "failed"):
                ends[frame["number"]] = frame["kind"]


@pytest.fixture
def bench(checkpoint: Path) -> Iterator[Bench]:
    there, here = socket.socketpair()
    with there, here:
        yield Bench(checkpoint, there, here)


def test_no_job_fails_for_its_preview(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of two images of a request at different steps one cannot be shown on its way; both are made."""

    def broken(_: Trajectory) -> bytes:
        raise RuntimeError("injected")

    monkeypatch.setattr(bench.runner, "preview", broken)
    bench.ask(1)
    first = bench.process._scheduler._waiting[0]
    bench.process._advance([first])
    bench.process._advance([first])
    assert bench.ends() == {1: "finished"}


def test_an_image_whose_request_has_failed_is_passed_over(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """At their last step two images fail together, then the second alone: the first's is no end of the process."""
    forward, calls = bench.runner._forward, itertools.count()

    def failing(trajectory: Trajectory, segments: Sequence[Any]) -> Any:
        if trajectory.number == 1 and next(calls) in (0, 2):
            raise RuntimeError("injected")
        return forward(trajectory, segments)

    bench.ask(1, replace(REQUEST, steps=1))
    images = list(bench.process._scheduler._waiting)
    with monkeypatch.context() as patch:
        patch.setattr(bench.runner, "_forward", failing)
        bench.process._advance(images)
    bench.ask(2)
    assert bench.ends() == {1: "failed", 2: "finished"}


def test_latents_that_cannot_be_handed_on_fail_their_request(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """And no other."""
    let_go = bench.runner.let_go

    def failing(trajectory: Trajectory) -> Any:
        if trajectory.number == 1:
            raise RuntimeError("injected")
        return let_go(trajectory)

    monkeypatch.setattr(bench.runner, "let_go", failing)
    bench.ask(1)
    bench.ask(2)
    assert bench.ends() == {1: "failed", 2: "finished"}


def test_what_cannot_be_taken_in_fails_its_request(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """A frame that makes no sense, and an error of ours while it is planned, end no other request."""

    def broken(*_: object) -> list[Trajectory]:
        raise RuntimeError("injected")

    bench.ask(1)
    bench.process._came.put({"kind": "generate", "number": 2, "request": {}, "inputs": []})
    with monkeypatch.context() as patch:
        patch.setattr(process, "plan", broken)
        bench.process._came.put({"kind": "generate", "number": 3, "request": REQUEST.to_json(), "inputs": []})
        bench.process._take_in(wait=True)
    assert bench.ends() == {1: "finished", 2: "failed", 3: "failed"}


def test_a_picture_that_cannot_be_told_fails_its_request(bench: Bench) -> None:
    """One too large for a frame does not end the process."""
    bench.ask(1)
    huge, _ = bench.process._scheduler._waiting
    image = MadeImage(0, bytes(bench.process._link.limit + 1), "image/png", 64, 64, 1)
    bench.process._came.put((huge, image))
    bench.ask(2)
    assert bench.ends() == {1: "failed", 2: "finished"}


def test_a_step_is_granted_what_it_should_take(bench: Bench) -> None:
    """By the profile of its lane; before the first one, which may have to load the model, as long as a start."""
    bench.ask(1)
    pack = bench.process._scheduler.choose()
    assert bench.process._granted(pack) == {"usual_seconds": 0.0, "extra_seconds": 900.0}
    bench.process._advance(pack)
    bench.process._advance(pack)
    usual = sum(bench.runner.models.profile(one).seconds(one.lengths) for one in pack)
    assert usual > 0.0
    assert bench.process._granted(pack) == {"usual_seconds": usual, "extra_seconds": 0.0}

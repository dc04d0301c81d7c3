"""What the engine's process is given, and what its frames mean."""

import asyncio
import os
import signal
from collections.abc import Callable
from pathlib import Path

import pytest
import uvloop

from fluxhouse.engine.child import environment, event, failure
from fluxhouse.engine.engine import Engine
from fluxhouse.engine.options import EngineOptions, ModelWeights
from fluxhouse.generation.backend import StepDone
from fluxhouse.generation.errors import EngineDied, GenerationFailed, InvalidParameter, OutOfMemory
from fluxhouse.generation.request import GenerationRequest

OPTIONS = EngineOptions({"flux": ModelWeights(Path("/weights"), 4, 3.5)}, threads=2)


def test_no_secret_reaches_the_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """Paths and threads are passed on; keys and tokens of any name are not."""
    for name in ("FLUXHOUSE_SECRET", "REPLICATE_API_TOKEN", "AWS_SECRET_ACCESS_KEY", "HF_TOKEN"):
        monkeypatch.setenv(name, "secret")
    given = environment(OPTIONS)
    assert "secret" not in given.values()
    assert given["OMP_NUM_THREADS"] == "2"
    assert given["HF_HUB_OFFLINE"] == "1"
    assert "PATH" in given


def test_its_threads_sleep_while_they_wait_unless_told_otherwise(monkeypatch: pytest.MonkeyPatch) -> None:
    """Beside a busy server a spinning thread keeps the core from the one that it waits for."""
    monkeypatch.delenv("OMP_WAIT_POLICY", raising=False)
    assert environment(OPTIONS)["OMP_WAIT_POLICY"] == "PASSIVE"
    monkeypatch.setenv("OMP_WAIT_POLICY", "ACTIVE")
    assert environment(OPTIONS)["OMP_WAIT_POLICY"] == "ACTIVE"


def test_modules_are_not_looked_for_where_the_server_was_started(monkeypatch: pytest.MonkeyPatch) -> None:
    """The process starts in another folder: relative entries of the path name the same places as before."""
    monkeypatch.setenv("PYTHONPATH", f"src{os.pathsep}{os.pathsep}/elsewhere")
    given = environment(OPTIONS)
    assert given["PYTHONPATH"] == f"{Path('src').absolute()}{os.pathsep}/elsewhere"
    assert given["PYTHONSAFEPATH"] == "1"


def test_frames_become_progress() -> None:
    """A step's frame is a StepDone."""
    frame = {"kind": "step", "number": 3, "index": 0, "step": 1, "steps": 4, "seconds": 0.5}
    assert event(frame) == StepDone(0, 1, 4, 0.5)


@pytest.mark.parametrize("kind", [InvalidParameter, OutOfMemory, GenerationFailed, EngineDied])
def test_frames_become_typed_errors(kind: type[GenerationFailed]) -> None:
    """A failure's frame is the error that its code names."""
    assert type(failure({"kind": "failed", "code": kind.code, "message": None})) is kind
    assert type(failure({"kind": "failed", "code": "unheard_of", "message": "x"})) is GenerationFailed


def test_the_death_of_a_busy_process_is_noticed_under_uvloop(
    checkpoint: Path, options_for: Callable[..., EngineOptions]
) -> None:
    """The event loop that `serve` runs on hears of the end too: the next request is made by a new process."""

    async def kill_and_ask_again() -> None:
        engine = Engine(options_for(checkpoint))
        await engine.start()
        try:
            begun, waiting = [asyncio.create_task(_all(engine, steps)) for steps in (500, 1000)]
            await asyncio.sleep(0.3)
            assert engine.pid is not None
            os.kill(engine.pid, signal.SIGKILL)
            with pytest.raises(EngineDied):
                await begun
            assert not waiting.done()
            waiting.cancel()
            async with asyncio.timeout(60):
                await _all(engine, steps=1)
        finally:
            await engine.close()

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(kill_and_ask_again())


async def _all(engine: Engine, steps: int) -> None:
    request = GenerationRequest(model="flux-dev", prompt="a red fox", width=256, height=256, seed=5, steps=steps)
    async for _ in engine.generate(request, []):
        pass

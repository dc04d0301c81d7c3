"""The engine makes images in a process of its own, and outlives that process."""

import asyncio
import io
import os
import signal
import time
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing
from dataclasses import replace
from pathlib import Path

import pytest
import pytest_asyncio
from PIL import Image

from fluxhouse.engine.engine import Engine
from fluxhouse.engine.options import EngineOptions
from fluxhouse.generation.backend import Finished, Preview, Progress, StepDone
from fluxhouse.generation.errors import (
    EngineDied,
    GenerationFailed,
    InputImageRefused,
    WeightsUnavailable,
)
from fluxhouse.generation.image import MadeImage
from fluxhouse.generation.request import GenerationRequest, OutputFormat, Task

pytestmark = pytest.mark.asyncio(loop_scope="session")

REQUEST = GenerationRequest(
    model="flux-dev", prompt="a red fox in the snow", width=256, height=192, seed=5, tolerance=None
)
LONG = replace(REQUEST, width=512, height=512, steps=1000)


async def events(engine: Engine, request: GenerationRequest, *inputs: Path) -> list[Progress]:
    return [event async for event in engine.generate(request, inputs)]


async def content(engine: Engine, request: GenerationRequest, *inputs: Path) -> bytes:
    return next(event.content for event in await events(engine, request, *inputs) if isinstance(event, MadeImage))


async def test_it_yields_steps_previews_images_and_the_end(engine: Engine) -> None:
    """Two images of four steps, in the protocol's order, each with its own seed."""
    seen = await events(engine, replace(REQUEST, count=2, format=OutputFormat.JPEG))
    for index in (0, 1):
        kinds = [type(event) for event in seen[:-1] if getattr(event, "index", None) == index]
        assert kinds == [StepDone, StepDone, Preview, StepDone, StepDone, MadeImage]
    assert len(seen) == 13
    made = [event for event in seen if isinstance(event, MadeImage)]
    assert sorted((image.index, image.seed, image.content_type) for image in made) == [
        (0, 5, "image/jpeg"),
        (1, 6, "image/jpeg"),
    ]
    assert Image.open(io.BytesIO(made[0].content)).size == (256, 192)
    preview = next(event for event in seen if isinstance(event, Preview))
    assert max(Image.open(io.BytesIO(preview.content)).size) <= 256
    assert isinstance(seen[-1], Finished)
    assert seen[-1].inference_seconds > 0


async def test_the_picture_depends_on_everything_that_was_asked(engine: Engine, picture: Path) -> None:
    """Prompt, seed, steps, guidance, input, task and strength each make another picture."""
    pictures = [
        await content(engine, REQUEST),
        await content(engine, replace(REQUEST, prompt="a green forest")),
        await content(engine, replace(REQUEST, seed=6)),
        await content(engine, replace(REQUEST, steps=5)),
        await content(engine, replace(REQUEST, guidance=6.0)),
        await content(engine, replace(REQUEST, task=Task.EDIT), picture),
        await content(engine, replace(REQUEST, task=Task.VARY, strength=0.5), picture),
        await content(engine, replace(REQUEST, task=Task.VARY, strength=1.0), picture),
    ]
    assert len({Image.open(io.BytesIO(file)).tobytes() for file in pictures}) == len(pictures)


async def test_closing_the_iterator_cancels_within_a_step(engine: Engine) -> None:
    """A request of a thousand steps is let go at once: its process falls idle."""
    async with aclosing(engine.generate(LONG, [])) as progress:
        async for event in progress:
            if isinstance(event, StepDone) and event.step == 2:
                break
    await falls_idle(engine)


async def test_cancelling_the_reader_cancels_the_request(engine: Engine) -> None:
    """A task that is cancelled while it waits for a step leaves nothing running."""
    task = asyncio.create_task(events(engine, LONG))
    await asyncio.sleep(0.3)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await falls_idle(engine)


async def falls_idle(engine: Engine) -> None:
    """Wait until the process computes nothing; fail where it still does long before the request could be done."""
    deadline = time.monotonic() + 3.0
    while time.monotonic() < deadline:
        before = await asyncio.to_thread(cpu_ticks, engine.pid)
        await asyncio.sleep(0.3)
        if await asyncio.to_thread(cpu_ticks, engine.pid) - before <= 2:
            return
    pytest.fail("the process went on with a cancelled request")


def cpu_ticks(pid: int | None) -> int:
    """Processor time of a process so far, in hundredths of a second."""
    stat = Path(f"/proc/{pid}/stat")
    if not stat.exists():
        pytest.skip("needs /proc")
    user, system = stat.read_text().rpartition(")")[2].split()[11:13]
    return int(user) + int(system)


async def test_requests_at_once_do_not_change_each_other(engine: Engine) -> None:
    """Interleaved steps give the bytes of requests made alone."""
    requests = [REQUEST, replace(REQUEST, steps=2, seed=9), replace(REQUEST, width=128, prompt="sea")]
    alone = [await content(engine, request) for request in requests]
    assert await asyncio.gather(*(content(engine, request) for request in requests)) == alone


async def test_one_bad_request_leaves_the_process_well(engine: Engine, tmp_path: Path) -> None:
    """An unreadable input is a typed error of that request alone."""
    pid = engine.pid
    bad = tmp_path / "bad.png"
    bad.write_text("no picture")
    with pytest.raises(InputImageRefused):
        await content(engine, replace(REQUEST, task=Task.EDIT), bad)
    with pytest.raises(InputImageRefused, match="mask"):
        await content(engine, replace(REQUEST, task=Task.FILL), bad)
    with pytest.raises(WeightsUnavailable):
        await content(engine, replace(REQUEST, model="unheard-of"))
    await content(engine, REQUEST)
    assert engine.pid == pid


async def test_its_process_has_neither_secrets_nor_a_second_socket(engine: Engine) -> None:
    """No FLUXHOUSE_ variable is in its environment, no socket but the link among its descriptors."""
    environ, links = await asyncio.to_thread(seen_of, f"/proc/{engine.pid}")
    assert b"FLUXHOUSE_" not in environ
    assert len([link for link in links if link.startswith("socket:")]) == 1


def seen_of(process: str) -> tuple[bytes, list[str]]:
    """A process's environment and what its descriptors point at."""
    if not Path(process).exists():
        pytest.skip("needs /proc")
    return (Path(process) / "environ").read_bytes(), [os.readlink(link) for link in (Path(process) / "fd").iterdir()]


async def test_a_killed_process_fails_what_it_held_and_comes_back(engine: Engine) -> None:
    """kill -9 raises EngineDied in what was on the device; the next request waits, and makes the bytes of before."""
    before = await content(engine, REQUEST)
    held = asyncio.create_task(events(engine, LONG))
    await asyncio.sleep(0.3)
    pid = engine.pid
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    with pytest.raises(EngineDied) as death:
        await held
    assert death.value.on_device
    assert await content(engine, REQUEST) == before
    assert engine.ready
    assert engine.pid != pid


async def test_what_never_reached_the_device_is_made_by_the_next_process(engine: Engine) -> None:
    """A request sent to a process that is about to end, or waiting behind another, knows nothing of that end."""
    before = await content(engine, REQUEST)
    held = asyncio.create_task(events(engine, LONG))
    await asyncio.sleep(0.3)
    assert engine.pid is not None
    os.kill(engine.pid, signal.SIGSTOP)
    waiting = asyncio.create_task(content(engine, REQUEST))
    await asyncio.sleep(0.1)
    os.kill(engine.pid, signal.SIGKILL)
    late = asyncio.create_task(content(engine, REQUEST))
    assert [await waiting, await late] == [before, before]
    with pytest.raises(EngineDied):
        await held


async def test_closing_fails_what_waits(checkpoint: Path, options_for: Callable[..., EngineOptions]) -> None:
    """After `close` no request is tried again: those on the device and those behind them raise EngineDied."""
    engine = Engine(options_for(checkpoint))
    await engine.start()
    held = [asyncio.create_task(events(engine, LONG)) for _ in range(2)]
    await asyncio.sleep(0.3)
    await engine.close()
    ended = await asyncio.gather(*held, return_exceptions=True)
    assert [(type(end), getattr(end, "on_device", None)) for end in ended] == [(EngineDied, True), (EngineDied, False)]


async def test_it_serves_its_models_defaults(engine: Engine) -> None:
    """Each model id says who serves it and with which steps and guidance."""
    serving = engine.serving["flux-dev"]
    assert (engine.name, serving.backend, serving.steps, serving.guidance) == ("fluxhouse-builtin",) * 2 + (4, 3.5)


async def test_missing_weights_fail_the_start(tmp_path: Path, options_for: Callable[..., EngineOptions]) -> None:
    """An engine over an empty folder says so, and leaves no process."""
    broken = Engine(options_for(tmp_path))
    with pytest.raises(WeightsUnavailable):
        await broken.start()
    assert broken.pid is None
    with pytest.raises(GenerationFailed):
        await content(broken, REQUEST)


async def test_a_process_killed_while_it_loads_is_started_again(
    checkpoint: Path, options_for: Callable[..., EngineOptions]
) -> None:
    """kill -9 during the first start does not fail the start."""
    engine = Engine(options_for(checkpoint))
    starting = asyncio.create_task(engine.start())
    async with asyncio.timeout(60):
        while engine.pid is None:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
        first = engine.pid
        os.kill(first, signal.SIGKILL)
        await starting
    try:
        assert engine.ready
        assert engine.pid != first
    finally:
        await engine.close()


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def watched(
    checkpoint: Path, options_for: Callable[..., EngineOptions], tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Engine]:
    """An engine whose process must give signs, and whose steps must end, within seconds."""
    readable = (tmp_path_factory.getbasetemp(),)
    engine = Engine(options_for(checkpoint, silence_seconds=4.0, hang_seconds=4.0, readable=readable))
    await engine.start()
    yield engine
    await engine.close()


async def test_a_process_that_falls_silent_is_ended(watched: Engine) -> None:
    """A stopped process holds no request for ever: a new one makes what never reached its device."""
    pid = watched.pid
    assert pid is not None
    os.kill(pid, signal.SIGSTOP)
    await content(watched, REQUEST)
    assert watched.pid != pid


async def test_a_process_whose_step_hangs_is_ended(watched: Engine, tmp_path: Path) -> None:
    """Its link answers all the while. What was on the device has EngineDied, and the next process is well."""
    pipe = tmp_path / "never-written.png"
    os.mkfifo(pipe)  # Opening it waits for a writer, in the thread that steps.
    pid = watched.pid
    with pytest.raises(EngineDied) as death:
        await content(watched, replace(REQUEST, task=Task.EDIT), pipe)
    assert death.value.on_device
    await content(watched, REQUEST)
    assert watched.pid != pid

"""The test card is a Backend whose cards depend on what was asked, and on nothing else."""

import asyncio
import io
import time
from collections.abc import Sequence
from contextlib import aclosing
from dataclasses import replace
from pathlib import Path

from PIL import Image

from fluxhouse.engine.testcard import TestCard
from fluxhouse.generation.backend import Backend, Finished, Preview, Progress, StepDone
from fluxhouse.generation.image import MadeImage
from fluxhouse.generation.request import GenerationRequest, OutputFormat

REQUEST = GenerationRequest(model="flux-dev", prompt="a fox", width=96, height=64, seed=7)


async def events(request: GenerationRequest, inputs: Sequence[Path] = (), **card: float) -> list[Progress]:
    backend: Backend = TestCard(**card)  # type: ignore[arg-type]
    return [event async for event in backend.generate(request, inputs)]


async def card(request: GenerationRequest, inputs: Sequence[Path] = ()) -> bytes:
    return next(event.content for event in await events(request, inputs) if isinstance(event, MadeImage))


async def test_it_yields_steps_a_preview_the_images_and_the_end() -> None:
    """The protocol's order: steps, then each image, Finished last."""
    seen = await events(replace(REQUEST, count=2, format=OutputFormat.WEBP), steps=4)
    assert [type(event) for event in seen] == [StepDone, StepDone, Preview, StepDone, StepDone, MadeImage] * 2 + [
        Finished
    ]
    made = [event for event in seen if isinstance(event, MadeImage)]
    assert [(image.index, image.seed, image.content_type) for image in made] == [
        (0, 7, "image/webp"),
        (1, 8, "image/webp"),
    ]
    assert Image.open(io.BytesIO(made[0].content)).size == (96, 64)


async def test_same_request_same_bytes(picture: Path) -> None:
    """Prompt, seed and inputs each change the card; nothing else does."""
    first = await card(REQUEST)
    assert await card(REQUEST) == first
    others = [
        await card(replace(REQUEST, prompt="a dog")),
        await card(replace(REQUEST, seed=8)),
        await card(REQUEST, [picture]),
    ]
    assert len({first, *others}) == 4


async def test_it_takes_its_time_and_stops_when_closed() -> None:
    """Each step lasts as long as was asked; closing ends it at once."""
    started = time.monotonic()
    async with aclosing(TestCard(steps=100, step_seconds=0.02).generate(REQUEST, [])) as progress:
        async for event in progress:
            if isinstance(event, StepDone) and event.step == 3:
                break
    assert 0.05 < time.monotonic() - started < 1.0
    await asyncio.sleep(0)

"""A backend that paints a card from prompt and seed, at once or at a given pace: for tests and rehearsals, no torch."""

from __future__ import annotations

import asyncio
import hashlib
import time
from collections.abc import AsyncGenerator, Sequence
from pathlib import Path

from PIL import Image, ImageDraw

from fluxhouse.engine.encode import metadata, to_file, to_preview
from fluxhouse.engine.trajectory import preview_due
from fluxhouse.generation.backend import Finished, Preview, Progress, StepDone
from fluxhouse.generation.image import MadeImage
from fluxhouse.generation.request import GenerationRequest


class TestCard:
    """A Backend whose pictures are cheap: same request and inputs, same bytes."""

    __test__ = False

    def __init__(
        self, name: str = "testcard", slots: int = 4, steps: int = 4, step_seconds: float = 0.0, guidance: float = 3.5
    ) -> None:
        self.name = name
        self.slots = slots
        self.steps = steps
        self.guidance = guidance
        self._step_seconds = step_seconds

    @classmethod
    def named(cls, source: str) -> TestCard:
        """`testcard`, or `testcard:0.1` for one whose steps take a tenth of a second; raises ValueError."""
        return cls(step_seconds=float(source.partition(":")[2] or 0))

    async def generate(self, request: GenerationRequest, inputs: Sequence[Path]) -> AsyncGenerator[Progress, None]:
        """As the protocol has it."""
        started = time.monotonic()
        steps = request.steps or self.steps
        seen = b"".join(path.read_bytes() for path in inputs)
        for index in range(request.count):
            card = paint(request, request.image_seed(index), seen)
            for step in range(1, steps + 1):
                await asyncio.sleep(self._step_seconds)
                yield StepDone(index, step, steps, self._step_seconds)
                if preview_due(step, steps):
                    yield Preview(index, step, to_preview(card))
            yield self._made(request, index, card, steps)
        yield Finished(time.monotonic() - started)

    def _made(self, request: GenerationRequest, index: int, card: Image.Image, steps: int) -> MadeImage:
        seed = request.image_seed(index)
        guidance = self.guidance if request.guidance is None else request.guidance
        content = to_file(card, request, metadata(request, seed, steps, guidance, self.name))
        return MadeImage(index, content, request.format.content_type, request.width, request.height, seed)


def paint(request: GenerationRequest, seed: int, seen: bytes = b"") -> Image.Image:
    """A card of the request's size whose colours come from prompt, seed, task and what the inputs hold."""
    subject = f"{request.model}\0{request.prompt}\0{request.task}\0{request.guidance}\0{request.strength}\0{seed}\0"
    digest = hashlib.sha256(subject.encode() + seen).digest()
    corners = Image.frombytes("RGB", (3, 3), digest[:27])
    card = corners.resize((request.width, request.height), Image.Resampling.BILINEAR)
    ImageDraw.Draw(card).multiline_text(
        (8, 8), f"{request.prompt[:200]}\nseed {seed}", fill="white", stroke_width=1, stroke_fill="black"
    )
    return card

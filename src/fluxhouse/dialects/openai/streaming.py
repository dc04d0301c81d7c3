"""A request's picture as it comes into being: server-sent events, one for each partial image and one for the end."""

from __future__ import annotations

import asyncio
import base64
import io
import json
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from typing import Any

from PIL import Image

from fluxhouse.core.feed import Hint
from fluxhouse.core.jobs import Job
from fluxhouse.dialects.answering import in_base64
from fluxhouse.dialects.dialect import Door
from fluxhouse.dialects.openai import answers
from fluxhouse.dialects.streaming import followed
from fluxhouse.generation.backend import Preview
from fluxhouse.generation.errors import PlatformError
from fluxhouse.generation.request import OutputFormat, Task

_KEEP_ALIVE_SECONDS = 15.0
_SHOWN_SHARE = 0.7  # of the steps, after which backends give no previews


class Telling:
    """What there is to tell of one job, with as many partial images as its request asks for at most."""

    def __init__(self, door: Door, job: Job) -> None:
        self._door = door
        self._job = job
        self._kind = "image_generation" if job.request.task is Task.GENERATE else "image_edit"
        self._partials = 0

    async def events(self) -> AsyncGenerator[tuple[Job, str], None]:
        """The job as it stands, with the text of each event."""
        loop = asyncio.get_running_loop()
        told_at = loop.time()
        async with aclosing(followed(self._door, self._job, (Preview,))) as following:
            async for self._job, hint in following:
                text = await self._worded(hint)
                if not text and loop.time() - told_at >= _KEEP_ALIVE_SECONDS:
                    text = ": keep-alive\n\n"
                if text:
                    told_at = loop.time()
                    yield self._job, text

    async def _worded(self, hint: Hint | None) -> str:
        """An event; nothing where there is none to tell of."""
        if isinstance(hint, Preview):
            return await self._partial(hint) if self._is_due(hint) else ""
        if self._job.state.terminal:
            return await self._end()
        return _event("error", answers.failure_body(answers.Ending())) if self._door.feed.closed else ""

    def _is_due(self, preview: Preview) -> bool:
        """Spreads the partial images evenly over the steps that backends show."""
        asked = int(self._job.terms.remarks["partial_images"])
        newest = self._door.feed.step(self._job.id)
        steps = newest.steps if newest is not None else 1
        return self._partials < asked and preview.step >= steps * _SHOWN_SHARE * (self._partials + 1) / (asked + 1)

    async def _partial(self, preview: Preview) -> str:
        content = await asyncio.to_thread(_as_file, preview.content, self._job.request.format)
        number, self._partials = self._partials, self._partials + 1
        return self._picture("partial_image", base64.b64encode(content).decode(), {"partial_image_index": number})

    async def _end(self) -> str:
        failed = answers.failure_of(self._job)
        try:
            if failed is not None:
                raise failed
            (picture,) = await in_base64(self._door, self._job.shown)
        except PlatformError as error:
            return _event("error", answers.failure_body(error))
        return self._picture("completed", picture, {"usage": answers.usage(self._job)})

    def _picture(self, what: str, text: str, more: Mapping[str, Any]) -> str:
        name = f"{self._kind}.{what}"
        created = int(self._door.clock.now().timestamp())
        facts = answers.facts(self._job)
        return _event(name, {"type": name, answers.B64: text, "created_at": created, **facts, **more})


def _as_file(preview: bytes, format: OutputFormat) -> bytes:
    """A preview as a file of the type that was asked for, as the events say that it is."""
    if format is OutputFormat.JPEG:
        return preview
    file = io.BytesIO()
    with Image.open(io.BytesIO(preview), formats=("JPEG",)) as image:
        image.save(file, "WEBP" if format is OutputFormat.WEBP else "PNG")
    return file.getvalue()


def _event(name: str, body: Mapping[str, Any]) -> str:
    return f"event: {name}\ndata: {json.dumps(body, ensure_ascii=False, separators=(',', ':'))}\n\n"

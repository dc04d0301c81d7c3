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
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from fluxhouse.core.feed import Hint, StateChanged
from fluxhouse.core.jobs import Job
from fluxhouse.dialects.dialect import Door
from fluxhouse.dialects.openai import answers
from fluxhouse.generation.backend import Preview
from fluxhouse.generation.errors import PlatformError
from fluxhouse.generation.request import OutputFormat, Task

_REREAD_SECONDS = 3.0  # a hint may be lost; the row is the truth
_KEEP_ALIVE_SECONDS = 15.0
_SHOWN_SHARE = 0.7  # of the steps, after which backends give no previews


class Stream(Response):
    """One job's events; a client that hangs up cancels the job, unless it is `kept` for a repeat."""

    media_type = "text/event-stream"

    def __init__(self, door: Door, job: Job, headers: Mapping[str, str], *, kept: bool) -> None:
        super().__init__(headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no", **headers})
        del self.headers["content-length"]
        self._door = door
        self._job = job
        self._kept = kept

    async def __call__(self, _scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})
        left = await self._door.while_connected(receive, self._job, self._tell(send), kept=self._kept)
        if left is not None and not left.state.terminal and not self._kept:
            await self._door.abandon(left)

    async def _tell(self, send: Send) -> Job:
        """Send every event; the job as it was left."""
        following = Following(self._door, self._job)
        async with aclosing(following.events()) as events:
            async for text in events:
                await send({"type": "http.response.body", "body": text.encode(), "more_body": True})
        await send({"type": "http.response.body", "body": b""})
        return following.job


class Following:
    """What there is to tell of one job, with as many partial images as its request asks for at most."""

    def __init__(self, door: Door, job: Job) -> None:
        self._door = door
        self.job = job
        self._kind = "image_generation" if job.request.task is Task.GENERATE else "image_edit"
        self._partials = 0
        self._told_at = asyncio.get_running_loop().time()

    async def events(self) -> AsyncGenerator[str, None]:
        """The stream's text, event by event. Subscribed before it reads, so that no change falls in between."""
        door, job_id = self._door, self.job.id
        with door.feed.subscribe(job_id) as hints:
            while True:
                self.job = await door.any_job(job_id)
                if self.job.state.terminal:
                    yield await self._end()
                    return
                if door.feed.closed:
                    yield _event("error", answers.failure_body(answers.Ending()))
                    return
                async with aclosing(self._until_changed(hints)) as texts:
                    async for text in texts:
                        self._told_at = asyncio.get_running_loop().time()
                        yield text

    async def _until_changed(self, hints: asyncio.Queue[Hint]) -> AsyncGenerator[str, None]:
        """What hints tell until the job's state changes, or until it is time to read again."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + _REREAD_SECONDS
        while (left := deadline - loop.time()) > 0:
            try:
                async with asyncio.timeout(left):
                    hint = await hints.get()
            except TimeoutError:
                break
            if isinstance(hint, StateChanged):
                return
            if isinstance(hint, Preview) and self._is_due(hint):
                yield await self._partial(hint)
        if loop.time() - self._told_at >= _KEEP_ALIVE_SECONDS:
            yield ": keep-alive\n\n"

    def _is_due(self, preview: Preview) -> bool:
        """Spreads the partial images evenly over the steps that backends show."""
        asked = int(self.job.terms.remarks["partial_images"])
        newest = self._door.feed.step(self.job.id)
        steps = newest.steps if newest is not None else 1
        return self._partials < asked and preview.step >= steps * _SHOWN_SHARE * (self._partials + 1) / (asked + 1)

    async def _partial(self, preview: Preview) -> str:
        content = await asyncio.to_thread(_as_file, preview.content, self.job.request.format)
        number, self._partials = self._partials, self._partials + 1
        return self._picture("partial_image", base64.b64encode(content).decode(), {"partial_image_index": number})

    async def _end(self) -> str:
        failed = answers.failure_of(self.job)
        try:
            if failed is not None:
                raise failed
            (picture,) = await answers.in_base64(self._door, self.job)
        except PlatformError as error:
            return _event("error", answers.failure_body(error))
        return self._picture("completed", picture, {"usage": answers.usage(self.job)})

    def _picture(self, what: str, text: str, more: Mapping[str, Any]) -> str:
        name = f"{self._kind}.{what}"
        created = int(self._door.clock.now().timestamp())
        return _event(name, {"type": name, answers.B64: text, "created_at": created, **answers.facts(self.job), **more})


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

"""A job's life as a stream: whoever follows hears of every change, and who hangs up on it cancels it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from fluxhouse.core.feed import Hint, StateChanged
from fluxhouse.core.jobs import Job
from fluxhouse.dialects.dialect import Door

MEDIA_TYPE = "text/event-stream"
HEADERS = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
_REREAD_SECONDS = 3.0  # a hint may be lost; the row is the truth


class JobStream(Response):
    """One job, told as `texts` has it: the job as it stands with each event.

    A client that hangs up cancels the job, and so does an end before the job's own, unless it is `kept` for a repeat.
    """

    media_type = MEDIA_TYPE

    def __init__(
        self,
        door: Door,
        job: Job,
        texts: AsyncGenerator[tuple[Job, str], None],
        headers: Mapping[str, str],
        *,
        kept: bool,
    ) -> None:
        super().__init__(headers={**HEADERS, **headers})
        del self.headers["content-length"]
        self._door = door
        self._job = job
        self._texts = texts
        self._kept = kept

    async def __call__(self, _scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})
        left = await self._door.while_connected(receive, self._job, self._tell(send), kept=self._kept)
        if left is not None and not left.state.terminal and not self._kept:
            await self._door.abandon(left)

    async def _tell(self, send: Send) -> Job:
        """Send every event; the job as it was left."""
        left = self._job
        async with aclosing(self._texts) as texts:
            async for job, text in texts:
                left = job
                await send({"type": "http.response.body", "body": text.encode(), "more_body": True})
        await send({"type": "http.response.body", "body": b""})
        return left


async def followed(
    door: Door, job: Job, kinds: tuple[type[Hint], ...]
) -> AsyncGenerator[tuple[Job, Hint | None], None]:
    """The job at once, whenever it changes, at least every three seconds, and with each hint of these kinds.

    The last one has ended, or is what there is when this process ends. Subscribed before it reads, so that no change
    falls in between.
    """
    loop = asyncio.get_running_loop()
    with door.feed.subscribe(job.id) as hints:
        while True:
            job, until = await door.any_job(job.id), loop.time() + _REREAD_SECONDS
            yield job, None
            if job.state.terminal or door.feed.closed:
                return
            while (hint := await _next(hints, until, kinds)) is not None:
                yield job, hint


async def _next(hints: asyncio.Queue[Hint], until: float, kinds: tuple[type[Hint], ...]) -> Hint | None:
    """The next hint of these kinds; None where the job's state changes first, or it is time to read again."""
    while until > asyncio.get_running_loop().time():
        try:
            async with asyncio.timeout_at(until):
                hint = await hints.get()
        except TimeoutError:
            return None
        if isinstance(hint, StateChanged):
            return None
        if isinstance(hint, kinds):
            return hint
    return None

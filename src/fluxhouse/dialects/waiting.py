"""Waiting for a job to end: by hints where they come, by reading where they do not, and never longer than asked."""

from __future__ import annotations

import asyncio
from contextlib import suppress

from starlette.requests import Request
from starlette.types import Receive

from fluxhouse.core import jobs
from fluxhouse.core.feed import Feed, StateChanged
from fluxhouse.core.jobs import Job
from fluxhouse.database.database import Database

MAX_SECONDS = 60.0
_REREAD_SECONDS = 2.0  # a hint may be lost; the row is the truth


def wait_seconds(request: Request) -> float:
    """How long `Prefer: wait` or `wait=N` asks to wait, at most a minute; 0 for not at all.

    By RFC 7240 what cannot be understood is passed over.
    """
    for preferences in request.headers.getlist("prefer"):
        for preference in preferences.split(","):
            name, _, value = preference.partition(";")[0].partition("=")
            if name.strip().lower() == "wait":
                value = value.strip().strip('"')
                if not value:
                    return MAX_SECONDS
                if value.isascii() and value.isdigit() and len(value) < 10:
                    return min(float(value), MAX_SECONDS)
    return 0.0


async def until_ended(database: Database, feed: Feed, job_id: str, seconds: float) -> Job:
    """The job once it has ended, or as it stands when the time is over or the feed closed; raises `UnknownJob`."""
    deadline = asyncio.get_running_loop().time() + seconds
    with feed.subscribe(job_id) as hints:
        while True:
            job = await database.read(lambda connection: jobs.get(connection, job_id))
            left = deadline - asyncio.get_running_loop().time()
            if job.state.terminal or left <= 0 or feed.closed:
                return job
            with suppress(TimeoutError):
                async with asyncio.timeout(min(left, _REREAD_SECONDS)):
                    while not isinstance(await hints.get(), StateChanged):
                        pass


async def unless_disconnected(receive: Receive, ended: asyncio.Task[Job]) -> Job | None:
    """What `ended` brings, or None where the client goes away first; its body must have been read before."""
    gone = asyncio.create_task(_disconnect(receive))
    try:
        await asyncio.wait({ended, gone}, return_when=asyncio.FIRST_COMPLETED)
        return ended.result() if ended.done() else None
    finally:
        for task in (ended, gone):
            task.cancel()
        await asyncio.gather(ended, gone, return_exceptions=True)


async def _disconnect(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass

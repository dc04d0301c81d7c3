"""The relay: carries word of jobs between the processes of a fleet by NOTIFY; hints, which may be lost."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Callable, Mapping
from typing import Any

import structlog
from sqlalchemy import Connection, text

from fluxhouse.core.feed import Feed, Hint, ImageReady, StateChanged
from fluxhouse.core.ids import new_id
from fluxhouse.database.database import Database
from fluxhouse.database.postgres import Postgres
from fluxhouse.generation.backend import Preview, StepDone
from fluxhouse.generation.errors import DatabaseUnavailable, StorageUnavailable, UnknownFile
from fluxhouse.storage.storage import Storage

log = structlog.get_logger()

CHANNEL = "fluxhouse_jobs"  # a bare job id says that its row has changed: a trigger sends it; the rest is JSON
_GATHER_SECONDS = 0.1  # hints that come meanwhile go out together, of each kind a job's newest
_LISTEN_SECONDS = 1.0
_PAUSE_SECONDS = 0.5
_TELL = text(f"SELECT pg_notify('{CHANNEL}', :word)")


class Relay:
    """Passes this process's hints on to the others and theirs on to its feed.

    Changes of state are told by the database itself, at the commit. A preview lies in storage as one object a job,
    overwritten; only word of it goes round.
    """

    def __init__(self, database: Database, shared: Postgres, storage: Storage, feed: Feed) -> None:
        self._database = database
        self._shared = shared
        self._storage = storage
        self._feed = feed
        self._origin = new_id()
        self._pending: dict[tuple[str, str], Hint] = {}
        self._gone: set[str] = set()
        self._wake = asyncio.Event()
        self._fetches: set[asyncio.Task[None]] = set()

    async def run(self) -> None:
        """Pass hints on until cancelled."""
        ended = threading.Event()
        loop = asyncio.get_running_loop()
        ear = threading.Thread(target=self._listen, args=(loop, ended), name="relay", daemon=True)
        self._feed.outlet = self
        ear.start()
        try:
            while True:
                await self._wake.wait()
                await asyncio.sleep(_GATHER_SECONDS)
                self._wake.clear()
                await self._tell()
        finally:
            self._feed.outlet = None
            ended.set()
            await asyncio.to_thread(ear.join, 3 * _LISTEN_SECONDS)

    def send(self, job_id: str, hint: Hint) -> None:
        """Let the others know, soon."""
        if isinstance(hint, StateChanged):
            return
        kind = f"image {hint.index}" if isinstance(hint, ImageReady) else type(hint).__name__
        self._pending[job_id, kind] = hint
        self._wake.set()

    def forget(self, job_id: str) -> None:
        """The job runs here no more: its preview may go."""
        self._gone.add(job_id)
        self._wake.set()

    async def _tell(self) -> None:
        pending, self._pending = self._pending, {}
        gone, self._gone = self._gone, set()
        words = []
        try:
            for (job_id, _), hint in pending.items():
                if job_id not in gone or not isinstance(hint, Preview):
                    words.append(await self._worded(job_id, hint))
            if words:
                await self._database.write(lambda c: _notify(c, words))
            for job_id in gone:
                await self._storage.delete(_preview_key(job_id))
        except (DatabaseUnavailable, StorageUnavailable) as error:
            log.warning("hints_lost", reason=error.message)

    async def _worded(self, job_id: str, hint: Hint) -> str:
        said: dict[str, Any] = {"from": self._origin, "job": job_id}
        match hint:
            case StepDone(index, step, steps, seconds):
                said |= {"step": [index, step, steps, seconds]}
            case Preview(index, step, content):
                await self._storage.put(_preview_key(job_id), content)
                said |= {"preview": [index, step]}
            case ImageReady(index, key):
                said |= {"image": [index, key]}
        return json.dumps(said)

    def _listen(self, loop: asyncio.AbstractEventLoop, ended: threading.Event) -> None:
        """On a thread of its own, until told to end; a lost connection is made anew."""
        while not ended.is_set():
            try:
                deaf = True
                for word in self._shared.notifications(CHANNEL, _LISTEN_SECONDS):
                    if ended.is_set():
                        return
                    if word is not None:
                        _call(loop, self._heard, word)
                    elif deaf:
                        deaf = False
                        _call(loop, self._feed.stir)
            except DatabaseUnavailable:
                log.warning("listener_lost")
                ended.wait(_PAUSE_SECONDS)

    def _heard(self, word: str) -> None:
        if not word.startswith("{"):
            self._feed.pass_on(word, StateChanged())
            return
        said = json.loads(word)
        if said["from"] != self._origin:
            self._hinted(said)

    def _hinted(self, said: Mapping[str, Any]) -> None:
        job_id = said["job"]
        if "step" in said:
            self._feed.pass_on(job_id, StepDone(*said["step"]))
        elif "image" in said:
            self._feed.pass_on(job_id, ImageReady(*said["image"]))
        elif self._feed.is_read(job_id):
            fetch = asyncio.create_task(self._show(job_id, *said["preview"]))
            self._fetches.add(fetch)
            fetch.add_done_callback(self._fetches.discard)

    async def _show(self, job_id: str, index: int, step: int) -> None:
        try:
            self._feed.pass_on(job_id, Preview(index, step, await self._storage.get(_preview_key(job_id))))
        except (UnknownFile, StorageUnavailable):
            return  # overtaken by the job's end


def _preview_key(job_id: str) -> str:
    return f"outputs/{job_id}/preview.jpg"  # with the images, so that the sweep finds what a dead worker left


def _notify(connection: Connection, words: list[str]) -> None:
    connection.execute(_TELL, [{"word": word} for word in words])


def _call(loop: asyncio.AbstractEventLoop, heard: Callable[..., None], *arguments: object) -> None:
    if not loop.is_closed():
        loop.call_soon_threadsafe(heard, *arguments)

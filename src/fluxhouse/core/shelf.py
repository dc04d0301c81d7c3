"""The shelf of LoRA files: kept once by content within a budget of bytes, and let go of when no job needs them."""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path

import structlog

from fluxhouse.core import loras
from fluxhouse.core.loras import LoraFile
from fluxhouse.database.database import Database
from fluxhouse.generation.errors import StorageUnavailable, UnknownFile
from fluxhouse.storage.opening import Store

log = structlog.get_logger()

FOLDER = "loras/"
_SUFFIX = ".safetensors"
_ORPHAN_AGE = timedelta(days=1)
_LEAVING_SECONDS = 10.0  # how long one that is being removed is waited for
_PAUSE_SECONDS = 0.1
_PUTS = 3  # of one file, where its bytes are taken away again and again


class Shelf:
    """LoRA files under `loras/<sha256>.safetensors`, those that nobody registered at most `byte_budget` of bytes.

    A row says that the bytes are there. A file leaves in three steps, row marked, bytes deleted, row forgotten. The
    mark's time says whose removal it is; after a crash between the steps the next to clear takes it over.
    """

    def __init__(self, database: Database, store: Store, byte_budget: int) -> None:
        self._database = database
        self._store = store
        self._byte_budget = byte_budget
        self._clearing = asyncio.Lock()

    async def keep(self, file: LoraFile, path: Path, now: datetime) -> None:
        """Keep the file whose bytes stand at `path`; where the same content is kept already, that is enough."""
        for _ in range(_PUTS):
            if await self._is_kept(file, now):
                return
            await self._gone(file)
            await self._store.put_file(file.key, path)
            await self._database.write(lambda c: loras.add(c, file, now))
        if not await self._is_kept(file, now):
            raise StorageUnavailable("The LoRA is removed again and again; try again.")

    async def make_room(self, now: datetime) -> None:
        """Let go of what is too much; raises `StorageUnavailable` where all that is there is in use."""
        async with self._clearing:  # who comes second finds the room that the first has made
            if await self._database.read(loras.unregistered_bytes) >= self._byte_budget:
                await self.clear(now)
                if await self._database.read(loras.unregistered_bytes) >= self._byte_budget:
                    raise StorageUnavailable("The room for LoRAs is taken by those in use now; try again later.")

    async def clear(self, now: datetime) -> None:
        """Let go of what nobody needs, and of what is too much."""
        leaving = await self._database.write(lambda c: loras.dismiss(c, self._byte_budget, now))
        for sha256 in leaving:
            await self._remove(sha256, now)
        if leaving:
            log.info("lora_files_removed", files=len(leaving))

    async def clear_orphans(self, now: datetime) -> None:
        """Delete bytes without a row, which a crash left behind long ago."""
        known = await self._database.read(loras.known)
        async for key in self._store.keys(FOLDER):
            sha256 = key.removeprefix(FOLDER).removesuffix(_SUFFIX)
            if sha256 in known or not await self._is_old(key, now):
                continue
            # Through a row of its own, so that who brings the same content just now waits.
            if await self._database.write(partial(loras.claim, sha256=sha256, now=now)):
                await self._remove(sha256, now)

    async def _is_kept(self, file: LoraFile, now: datetime) -> bool:
        """Whether row and bytes are there, the row safe from removal for a while."""
        if await self._database.write(lambda c: loras.use(c, file.sha256, now)) is None:
            return False
        try:
            await self._store.modified(file.key)
        except UnknownFile:
            return False
        return True

    async def _gone(self, file: LoraFile) -> None:
        """Return once nobody is removing a file of that content."""
        for _ in range(int(_LEAVING_SECONDS / _PAUSE_SECONDS)):
            if not await self._database.read(lambda c: loras.is_leaving(c, file.sha256)):
                return
            await asyncio.sleep(_PAUSE_SECONDS)
        raise StorageUnavailable("The LoRA is just being removed; try again.")

    async def _remove(self, sha256: str, since: datetime) -> None:
        """Finish the removal that began then; where another has taken it over, the bytes are not ours to delete."""
        if await self._database.read(lambda c: loras.is_leaving(c, sha256, since)):
            await self._store.delete(f"{FOLDER}{sha256}{_SUFFIX}")
            await self._database.write(lambda c: loras.forget(c, sha256, since))

    async def _is_old(self, key: str, now: datetime) -> bool:
        try:
            return await self._store.modified(key) < now - _ORPHAN_AGE
        except UnknownFile:
            return False

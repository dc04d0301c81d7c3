"""Small copies of pictures, made when they are first looked at and kept beside them until they go."""

from __future__ import annotations

import asyncio
import io
from typing import Final

from PIL import Image

from fluxhouse.console.desk import Desk
from fluxhouse.core import jobs
from fluxhouse.core.jobs import Job
from fluxhouse.generation.errors import Gone, UnknownFile
from fluxhouse.generation.image import DeliveredImage
from fluxhouse.storage.outputs import folder_of

CONTENT_TYPE = "image/webp"
SIDE = 320  # pixels of the longer side
_QUALITY = 75
_AT_ONCE: Final = 2


class Thumbnails:
    """Makes thumbnails, few at a time, and finds those that were made before."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._making = asyncio.Semaphore(_AT_ONCE)

    async def of(self, job: Job, image: DeliveredImage) -> bytes:
        """The thumbnail of one picture, as WebP; raises `Gone` where the picture is no more."""
        key, storage = f"{folder_of(job.id)}thumbnail-{image.index}.webp", self._desk.storage
        if job.output_removed_at is not None:
            raise Gone
        try:
            return await storage.get(key)
        except UnknownFile:
            pass
        try:
            picture = await storage.get(image.key)
        except UnknownFile:
            raise Gone from None
        async with self._making:
            small = await asyncio.to_thread(shrunk, picture)
        await storage.put(key, small)
        await self._forget_if_gone(job, key)
        return small

    async def _forget_if_gone(self, job: Job, key: str) -> None:
        """Take back what was put after everything else of the job was removed: nobody would come for it again."""
        now = await self._desk.database.read(lambda connection: jobs.find(connection, job.id))
        if now is None or now.output_removed_at is not None:
            await self._desk.storage.delete(key)
            raise Gone


def shrunk(picture: bytes) -> bytes:
    """The picture, at most `SIDE` wide and high; never larger than it was."""
    with Image.open(io.BytesIO(picture)) as opened:
        small = opened.convert("RGB")
    small.thumbnail((SIDE, SIDE), Image.Resampling.LANCZOS)
    written = io.BytesIO()
    small.save(written, "WEBP", quality=_QUALITY)
    return written.getvalue()

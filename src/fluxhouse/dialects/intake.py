"""What callers point at: input pictures, checked, made clean and kept for their job, and where to send webhooks."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection

from fluxhouse.core import files, ledger, limits
from fluxhouse.core.ids import new_id
from fluxhouse.core.keys import Caller
from fluxhouse.database.database import Database
from fluxhouse.generation.errors import (
    Gone,
    InsufficientCredits,
    InvalidParameter,
    RateLimited,
    RequestRejected,
    UnknownFile,
)
from fluxhouse.generation.image import InputImage
from fluxhouse.storage import images
from fluxhouse.storage.fetch import Fetcher
from fluxhouse.storage.storage import Storage
from fluxhouse.storage.urls import OwnUrl, UrlSigner

FILE_PREFIX = "file_"
FETCH_SECONDS = 20.0
_CHECK_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class AlphaMask:
    """A mask as OpenAI has it: its transparent pixels, and not its white ones, are those to repaint."""

    value: str | bytes


# What a caller points at (see `Intake.accept`), or the bytes themselves.
InputValue = str | bytes | AlphaMask


class Intake:
    """Accepts what callers name: an input image ends as a clean PNG under `inputs/`, a webhook's URL is checked."""

    def __init__(self, database: Database, storage: Storage, signer: UrlSigner, fetcher: Fetcher) -> None:
        self._database = database
        self._storage = storage
        self._signer = signer
        self._fetcher = fetcher

    async def accept(
        self, caller: Caller, values: Sequence[tuple[str, InputValue]], cost_micro: int, now: datetime
    ) -> tuple[InputImage, ...]:
        """The pictures that (field, value) pairs name: a data URI, `file_<id>`, a URL of ours, an https URL, or bytes.

        Raises `InputImageRefused` naming the field; then nothing is kept. For a caller whose rate is used up, or who
        cannot pay `cost_micro`, nothing is fetched: `RateLimited` and `InsufficientCredits`, as submit would say.
        """
        if values:
            await self._database.read(lambda connection: require_means(connection, caller, cost_micro, now))
        accepted: list[InputImage] = []
        try:
            for field, value in values:
                content = await self._content(caller, field, value, now)
                if isinstance(value, AlphaMask):
                    content = await images.mask_of_alpha(content, field)
                clean, width, height = await images.accept(content, field)
                key = f"inputs/{new_id()}.png"
                await self._storage.put(key, clean)
                accepted.append(InputImage(key, width, height))
        except BaseException:
            await self.discard([image.key for image in accepted])
            raise
        return tuple(accepted)

    async def discard(self, keys: Sequence[str]) -> None:
        """Forget inputs of a request that was not taken in."""
        for key in keys:
            await self._storage.delete(key)

    async def check_webhook(self, caller: Caller, url: str, field: str, cost_micro: int, now: datetime) -> None:
        """Raise `InvalidParameter` for a URL that may not be called now; nothing is sent to it.

        Asked for a request of that price: a caller without means makes us resolve no name, see `accept`.
        """
        await self._database.read(lambda connection: require_means(connection, caller, cost_micro, now))
        try:
            await self._fetcher.check(url, _CHECK_SECONDS, field)
        except RequestRejected as refused:
            raise InvalidParameter(refused.message, field=field) from None

    async def _content(self, caller: Caller, field: str, value: InputValue, now: datetime) -> bytes:
        value = value.value if isinstance(value, AlphaMask) else value
        if isinstance(value, bytes):
            return value
        if value[:5].lower() == "data:":
            return await asyncio.to_thread(images.from_data_uri, value, field)
        if value.startswith(FILE_PREFIX):
            return await self._uploaded(caller, field, value.removeprefix(FILE_PREFIX), now)
        own = self._signer.own_key(value)
        if own is not None:
            return await self._own(field, own, now)
        if value[:8].lower().startswith(("http://", "https://")):
            return await self._fetcher.get(value, images.MAX_BYTES, FETCH_SECONDS, field)
        raise images.refused(field, "must be an https URL, a data URI or the id of an uploaded file")

    async def _uploaded(self, caller: Caller, field: str, file_id: str, now: datetime) -> bytes:
        try:
            file = await self._database.read(lambda connection: files.owned(connection, file_id, caller.account.id))
            if file.expires_at <= now:
                raise UnknownFile
            return await self._storage.get(file.key)
        except UnknownFile:
            raise images.refused(field, "names an uploaded file that does not exist or has expired") from None

    async def _own(self, field: str, own: OwnUrl, now: datetime) -> bytes:
        """A file of this installation, read and never fetched: its signature says that the caller was given it."""
        try:
            self._signer.check(own.key, own.expires, own.signature, now)
            return await self._storage.get(own.key)
        except (UnknownFile, Gone):
            raise images.refused(field, "is a URL of ours that was never given out or has expired") from None


def require_means(connection: Connection, caller: Caller, cost_micro: int, now: datetime) -> None:
    """Raise `RateLimited` or `InsufficientCredits` where a submit of that price would."""
    window = limits.look(connection, caller.key, now)
    if window.exceeded:
        raise RateLimited(retry_after_seconds=window.seconds_left(now))
    available_micro = ledger.balance(connection, caller.account.id).available_micro
    if available_micro < cost_micro:
        raise InsufficientCredits(required_micro=cost_micro, available_micro=available_micro)

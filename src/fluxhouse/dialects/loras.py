"""What callers point at as LoRAs: ids of their own, hubs and addresses; fetched, checked and kept by content."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from pathlib import Path
from tempfile import gettempdir
from typing import IO
from weakref import WeakValueDictionary

from fluxhouse.catalog.loras import AskedLora
from fluxhouse.core import loras
from fluxhouse.core.ids import new_id
from fluxhouse.core.keys import Caller
from fluxhouse.core.loras import LoraFile, RegisteredLora
from fluxhouse.core.shelf import Shelf
from fluxhouse.database.database import Database
from fluxhouse.dialects.intake import require_means
from fluxhouse.generation.errors import LoraRefused, RequestRejected, UnknownLora
from fluxhouse.generation.lora_layout import layout_of, trigger_of
from fluxhouse.generation.request import Lora
from fluxhouse.storage.drafts import Drafts
from fluxhouse.storage.fetch import Fetcher
from fluxhouse.storage.hubs import HubOptions, Hubs, Place, name_of, refused, spelled
from fluxhouse.storage.opening import Store
from fluxhouse.storage.tensor_files import read_header
from fluxhouse.storage.urls import UrlSigner

LORA_PREFIX = "lora_"
MAX_BYTES = 1 << 30  # one file
MAX_REQUEST_BYTES = 2 << 30  # all files of one request, which an engine holds at once
FETCH_SECONDS = 60.0  # while a submit waits for its answer
REGISTER_SECONDS = 600.0
_AT_ONCE = 2  # fetches and uploads of one account

Admission = Callable[[LoraFile], Awaitable[None]]  # raises what speaks against keeping a file, before it is kept

_NO_SUCH = "names a LoRA that does not exist"


@dataclass(frozen=True, slots=True)
class LoraOptions:
    """What the operator decides: the hubs, how many bytes of unregistered files are kept, where drafts lie."""

    hubs: HubOptions = field(default_factory=HubOptions)
    byte_budget: int = 20 * 1000**3
    drafts: Path = field(default_factory=lambda: Path(gettempdir()) / "fluxhouse-drafts")


class LoraIntake:
    """Turns what a request names into files in the store, and takes in what accounts register.

    What speaks against a LoRA raises `LoraRefused` with the parameter that named it.
    """

    def __init__(
        self, database: Database, store: Store, signer: UrlSigner, fetcher: Fetcher, options: LoraOptions
    ) -> None:
        self._database = database
        self._signer = signer
        self._fetcher = fetcher
        self._hubs = Hubs(fetcher, options.hubs)
        self._shelf = Shelf(database, store, options.byte_budget)
        self._drafts = Drafts(options.drafts)
        self._places: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()
        self._accounts: WeakValueDictionary[str, asyncio.Semaphore] = WeakValueDictionary()

    async def accept(
        self, caller: Caller, asked: Sequence[AskedLora], cost_micro: int, now: datetime
    ) -> tuple[Lora, ...]:
        """The files of the LoRAs asked for, fetched where they are not here yet, with their strengths.

        For a caller whose rate is used up, or who cannot pay `cost_micro`, nothing is fetched: see `Intake.accept`.
        """
        if not asked:
            return ()
        await self._database.read(lambda connection: require_means(connection, caller, cost_micro, now))
        latest = asyncio.get_running_loop().time() + FETCH_SECONDS
        accepted: dict[str, LoraFile] = {}
        for lora in asked:
            try:
                async with asyncio.timeout_at(latest):
                    accepted[lora.reference] = await self._file(caller, lora, now)
            except TimeoutError:
                raise refused(
                    lora.field,
                    f"could not be fetched within {FETCH_SECONDS:g} seconds: register it first with POST /api/v1/loras "
                    "and name it by its id",
                ) from None
            if sum(file.size_bytes for file in accepted.values()) > MAX_REQUEST_BYTES:
                raise refused(lora.field, f"makes more than {MAX_REQUEST_BYTES:,} bytes of LoRAs in one request")
        return tuple(Lora(accepted[lora.reference].key, lora.scale) for lora in asked)

    async def register_place(self, caller: Caller, reference: str, name: str | None, now: datetime) -> RegisteredLora:
        """Fetch what parameter `url` names, and keep it for the account; raises `FileQuotaExceeded`."""
        place = self._place(reference, "url")
        called = name or name_of(place)[:100]
        try:
            async with asyncio.timeout(REGISTER_SECONDS):
                file = await self._at(caller, place, "url", now, partial(self._require_room, caller, called))
        except TimeoutError:
            raise refused("url", f"could not be fetched within {REGISTER_SECONDS:g} seconds") from None
        return await self._register(caller, file, called, spelled(place)[:300], now)

    @asynccontextmanager
    async def open_draft(self, caller: Caller, now: datetime) -> AsyncIterator[IO[bytes]]:
        """An empty file for what the caller sends, once it is among the few of its account at a time."""
        async with self._turn(caller):
            await self._shelf.make_room(now)
            with self._drafts.open() as draft:
                yield draft

    async def register_file(self, caller: Caller, draft: IO[bytes], name: str, now: datetime) -> RegisteredLora:
        """Keep an uploaded draft, sent as parameter `file`, for the account; raises `FileQuotaExceeded`."""
        file = await self._kept(draft, "file", now, partial(self._require_room, caller, name))
        return await self._register(caller, file, name, None, now)

    async def _register(
        self, caller: Caller, file: LoraFile, name: str, source: str | None, now: datetime
    ) -> RegisteredLora:
        lora = RegisteredLora(new_id(), caller.account.id, file, name, source, now)
        return await self._database.write(lambda connection: loras.register(connection, lora))

    async def _file(self, caller: Caller, lora: AskedLora, now: datetime) -> LoraFile:
        if not lora.reference.startswith(LORA_PREFIX) or "/" in lora.reference:
            return await self._at(caller, self._place(lora.reference, lora.field), lora.field, now)
        lora_id = lora.reference.removeprefix(LORA_PREFIX)
        try:
            return await self._database.write(lambda c: loras.use_registered(c, lora_id, caller.account.id, now))
        except UnknownLora:
            raise refused(lora.field, _NO_SUCH) from None

    def _place(self, reference: str, field: str) -> Place:
        if self._signer.own_key(reference) is not None:
            raise refused(field, "is an address of ours: name a LoRA kept here by its id")
        return self._hubs.place(reference, field)

    async def _require_room(self, caller: Caller, name: str, file: LoraFile) -> None:
        await self._database.read(lambda c: loras.require_room_for(c, caller.account.id, file, name))

    def _turn(self, caller: Caller) -> asyncio.Semaphore:
        return self._accounts.setdefault(caller.account.id, asyncio.Semaphore(_AT_ONCE))

    async def _at(
        self, caller: Caller, place: Place, field: str, now: datetime, admit: Admission | None = None
    ) -> LoraFile:
        """The file at that place, fetched unless it was not long ago; once for all who ask at the same time."""
        digest = hashlib.sha256(repr(place).encode()).hexdigest()
        async with self._places.setdefault(digest, asyncio.Lock()):
            known = await self._database.write(lambda connection: loras.use_place(connection, digest, now))
            if known is not None:
                return known
            async with self._turn(caller):
                file = await self._fetched(place, field, now, admit)
            await self._database.write(lambda connection: loras.found_at(connection, digest, file, now))
            return file

    async def _fetched(self, place: Place, field: str, now: datetime, admit: Admission | None) -> LoraFile:
        await self._shelf.make_room(now)
        with self._drafts.open() as draft:
            with _named(field):
                source = await self._hubs.source(place, field)
                await self._fetcher.download(source.url, draft, MAX_BYTES, REGISTER_SECONDS, field, source.token)
            return await self._kept(draft, field, now, admit)

    async def _kept(self, draft: IO[bytes], field: str, now: datetime, admit: Admission | None) -> LoraFile:
        draft.flush()
        path = Path(draft.name)
        with _named(field):
            file = await asyncio.to_thread(_examined, path)
        if admit is not None:
            await admit(file)
        await self._shelf.keep(file, path, now)
        return file


def _examined(path: Path) -> LoraFile:
    """What the file holds, as far as it can be told without the model that it is for; raises `LoraRefused`."""
    header = read_header(path)
    layout = layout_of(header.tensors, header.metadata)
    with path.open("rb") as file:
        sha256 = hashlib.file_digest(file, "sha256").hexdigest()
    return LoraFile(sha256, path.stat().st_size, layout.format, len(layout.ignored), trigger_of(header.metadata))


@contextmanager
def _named(field: str) -> Iterator[None]:
    """Refusals of a file that know nothing of requests, or that were worded for pictures, as refusals of `field`."""
    try:
        yield
    except RequestRejected as error:
        message = error.message if error.field is not None else f"{field}: {error.message}"
        raise LoraRefused(message, field=field) from None

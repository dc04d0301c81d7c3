"""A store in a bucket of S3, MinIO, R2 or anything else that speaks S3; needs the extra `s3`."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from weakref import WeakValueDictionary

import obstore
import structlog
from obstore.exceptions import BaseError
from obstore.store import S3Store

from fluxhouse.generation.errors import StorageUnavailable, UnknownFile
from fluxhouse.storage.buckets import Bucket
from fluxhouse.storage.copies import Copies
from fluxhouse.storage.storage import checked_key

log = structlog.get_logger()

_CHUNK = 5 << 20  # bytes; the smallest part that S3 takes, and what a longer file is uploaded in
_PARTS_AT_ONCE = 4
_LISTED_AT_ONCE = 1000
_FIRST_PAUSE = 0.1  # seconds before a repetition, doubled with each

_DETAILS = "\n\nDebug source"  # the same once more, as nested structures of Rust
_LONGEST_CAUSE = 500  # characters
_OUT_OF_REACH = "The storage is out of reach."

# No key or prefix can contain these, so in obstore's text they are the store's own words.
_NO_BUCKET = "<Code>NoSuchBucket</Code>"
_REFUSALS = ("401 Unauthorized", "403 Forbidden")


@dataclass(frozen=True, slots=True)
class Patience:
    """How long a store that does not answer is waited for.

    `silence_seconds` runs anew with every piece of an answer, `request_seconds` for the whole of one request; after
    `retry_seconds` none is repeated.
    """

    connect_seconds: float = 5.0
    silence_seconds: float = 30.0
    request_seconds: float = 120.0
    retries: int = 4
    retry_seconds: float = 30.0


class S3Storage:
    """Keeps files in the bucket that `url` names; both a `Storage` and a `Listing`.

    `url` is `s3://bucket[/prefix][?endpoint=…&region=…]`; credentials, and what the URL leaves out, come from the
    usual AWS_* variables of the environment or the machine's role. `cache` is a local folder for the copies that `path`
    makes, at most about `cache_bytes` of them.

    Every method but the constructor, which raises ValueError, raises StorageUnavailable where the store is out of reach
    or refuses. A put is whole or not at all: a longer file is uploaded in parts that become an object at the end.
    """

    def __init__(self, url: str, cache: Path, *, cache_bytes: int = 2 << 30, patience: Patience | None = None) -> None:
        self._bucket = Bucket.parse(url)
        self._patience = patience or Patience()
        try:
            self._store = _opened(self._bucket, self._patience)
        except BaseError as error:
            raise ValueError("cannot be opened: one of the AWS_* variables has a value that is not allowed") from error
        self._copies = Copies(cache, cache_bytes)
        self._downloads: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    async def put(self, key: str, content: bytes) -> None:
        """Keep `content` under `key`; the store has it on its disks once this returns."""
        checked_key(key)

        async def upload() -> None:
            with _typed_errors():
                await obstore.put_async(self._store, key, content, chunk_size=_CHUNK, max_concurrency=_PARTS_AT_ONCE)

        await (upload() if len(content) <= _CHUNK else self._repeated(upload))

    async def put_file(self, key: str, file: Path) -> None:
        """`put` for the content of a local file of any length, of which a few parts at a time are in memory."""
        checked_key(key)

        async def upload() -> None:
            with _typed_errors():
                await obstore.put_async(self._store, key, file, chunk_size=_CHUNK, max_concurrency=_PARTS_AT_ONCE)

        await self._repeated(upload)

    async def get(self, key: str) -> bytes:
        """The bytes under `key`; raises UnknownFile."""
        checked_key(key)
        with _typed_errors(), _unknown_if_absent():
            found = await obstore.get_async(self._store, key)
            return (await found.bytes_async()).to_bytes()

    async def delete(self, key: str) -> None:
        """Forget `key`; a key that is not there is no error."""
        checked_key(key)

        async def remove() -> None:
            with suppress(UnknownFile), _typed_errors(), _unknown_if_absent():
                await obstore.delete_async(self._store, key)

        await self._repeated(remove)
        await asyncio.to_thread(self._copies.forget, self._copied(key))

    async def modified(self, key: str) -> datetime:
        """When the store got the bytes under `key`; raises UnknownFile."""
        return (await self._head(key))["last_modified"]

    async def path(self, key: str) -> Path:
        """A copy on this machine, to be read only and within a quarter of an hour; raises UnknownFile.

        The store is asked each time whether the copy is still what it keeps. The copy's time of modification is the
        store's.
        """
        lock = self._downloads.setdefault(checked_key(key), asyncio.Lock())
        async with lock:  # who asks at the same time waits for the one download
            newest = await self._head(key)
            copy = await asyncio.to_thread(self._copies.find, self._copied(key), _version(newest))
            return copy or await self._download(key)

    async def keys(self, prefix: str = "") -> AsyncIterator[str]:
        """Every key that starts with `prefix`; objects whose names are no keys are passed over."""
        # The store lists whole folders only, and a prefix may end inside a name.
        folder = prefix.rpartition("/")[0]
        if folder:
            checked_key(folder)
        listed = obstore.list(self._store, folder or None, chunk_size=_LISTED_AT_ONCE)
        while True:
            with _typed_errors():
                batch = await anext(listed, None)
            if batch is None:
                return
            for found in batch:
                if found["path"].startswith(prefix) and _is_key(found["path"]):
                    yield found["path"]

    async def _head(self, key: str) -> obstore.ObjectMeta:
        checked_key(key)
        with _typed_errors(), _unknown_if_absent():
            return await obstore.head_async(self._store, key)

    async def _download(self, key: str) -> Path:
        with _typed_errors(), _unknown_if_absent():
            found = await obstore.get_async(self._store, key)
        chunks = found.stream(min_chunk_size=_CHUNK)
        with self._copies.draft() as draft:
            while True:
                with _typed_errors():
                    chunk = await anext(chunks, None)
                if chunk is None:
                    break
                await asyncio.to_thread(self._copies.write, draft, chunk)
            kept = found.meta
            return await asyncio.to_thread(
                self._copies.keep, draft, self._copied(key), _version(kept), kept["last_modified"]
            )

    async def _repeated(self, call: Callable[[], Awaitable[None]]) -> None:
        """Do what obstore does once, since HTTP makes no promise that POST and DELETE can be repeated; ours can."""
        latest = time.monotonic() + self._patience.retry_seconds
        for attempt in range(self._patience.retries):
            try:
                return await call()
            except StorageUnavailable as error:
                if error.message != _OUT_OF_REACH or time.monotonic() > latest:
                    raise
            await asyncio.sleep(_FIRST_PAUSE * 2**attempt)
        await call()

    def _copied(self, key: str) -> str:
        """The name of `key` among the copies, which may be of several buckets."""
        return f"{self._bucket}/{key}"


def _opened(bucket: Bucket, patience: Patience) -> S3Store:
    # Single deletes, since not every store knows the deletion of many; http, since an endpoint says itself what it is.
    chosen: obstore.store.S3Config = {"disable_bulk_delete": True}
    if bucket.endpoint is not None:
        chosen["aws_endpoint_url_s3"] = bucket.endpoint  # the one name that outdoes every variable
    if bucket.region is not None:
        chosen["region"] = bucket.region
    return S3Store(
        bucket.name,
        prefix=bucket.prefix or None,
        config=chosen,
        client_options={
            "allow_http": True,
            "connect_timeout": timedelta(seconds=patience.connect_seconds),
            "read_timeout": timedelta(seconds=patience.silence_seconds),
            "timeout": timedelta(seconds=patience.request_seconds),
        },
        retry_config={
            "max_retries": patience.retries,
            "retry_timeout": timedelta(seconds=patience.retry_seconds),
            "backoff": {
                "init_backoff": timedelta(seconds=_FIRST_PAUSE),
                "max_backoff": timedelta(seconds=5),
                "base": 2,
            },
        },
    )


def _version(found: obstore.ObjectMeta) -> str:
    return f"{found['e_tag']} {found['size']} {found['last_modified'].timestamp()}"


def _is_key(name: str) -> bool:
    try:
        return checked_key(name) == name
    except UnknownFile:
        return False


@contextmanager
def _unknown_if_absent() -> Iterator[None]:
    try:
        yield
    except FileNotFoundError as error:
        if _NO_BUCKET in str(error):
            raise
        raise UnknownFile from None


@contextmanager
def _typed_errors() -> Iterator[None]:
    try:
        yield
    except (BaseError, OSError) as error:
        # obstore's own text names hosts and holds the store's answer: that is for the log and never for a caller.
        log.warning("storage_fault", cause=str(error).partition(_DETAILS)[0][:_LONGEST_CAUSE])
        raise StorageUnavailable(_reason(str(error))) from error


def _reason(text: str) -> str:
    if _NO_BUCKET in text:
        return "The storage's bucket does not exist."
    if any(refusal in text for refusal in _REFUSALS):
        return "The storage refuses what it is asked with these credentials."
    return _OUT_OF_REACH

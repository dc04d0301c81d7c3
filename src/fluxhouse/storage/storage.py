"""What any store of image bytes can do, and which keys it takes."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from datetime import datetime
from pathlib import Path
from typing import Protocol

from fluxhouse.generation.errors import UnknownFile

LONGEST_KEY = 512  # characters
# A segment may not begin with a dot: no "..", and a store may keep its own files under dotted names.
_SEGMENT = r"[A-Za-z0-9_-][A-Za-z0-9._-]{0,199}"
_KEY = re.compile(rf"{_SEGMENT}(?:/{_SEGMENT})*")


class Storage(Protocol):
    """Bytes under keys such as `outputs/<job>/<n>.png`. A key's bytes are replaced whole or not at all."""

    async def put(self, key: str, content: bytes) -> None:
        """Keep `content` under `key`; it survives a crash of the machine once this returns."""

    async def put_file(self, key: str, file: Path) -> None:
        """`put` for the content of a local file of any length, which nobody may change any more."""

    async def get(self, key: str) -> bytes:
        """The bytes under `key`; raises UnknownFile."""

    async def delete(self, key: str) -> None:
        """Forget `key`; a key that is not there is no error."""


class Listing(Protocol):
    """What a store holds and where it lies."""

    def keys(self, prefix: str = "") -> AsyncIterator[str]:
        """Every key that starts with `prefix`, in no promised order."""

    async def modified(self, key: str) -> datetime:
        """When the bytes under `key` were put there; raises UnknownFile."""

    async def path(self, key: str) -> Path:
        """A local file with the bytes under `key`, to be read only; raises UnknownFile."""


def checked_key(key: str) -> str:
    """`key` itself where it is a well-formed key; otherwise raises UnknownFile."""
    if len(key) > LONGEST_KEY or not _KEY.fullmatch(key):
        raise UnknownFile
    return key

"""Uploads in every accent: room is asked for first, then a picture is checked, made clean and kept until it expires."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection

from fluxhouse.core import accounts, files
from fluxhouse.core.files import File
from fluxhouse.core.ids import new_id
from fluxhouse.core.keys import Caller, Scope
from fluxhouse.dialects.dialect import Door
from fluxhouse.generation.errors import FileQuotaExceeded, UnknownFile
from fluxhouse.storage import images


@dataclass(frozen=True, slots=True)
class Upload:
    """A picture as it came, sent as `part`, and what its owner says of it; its bytes go into `folder` of the store."""

    account_id: str
    content: bytes
    part: str
    id: str = field(default_factory=new_id)
    folder: str = "files"
    name: str | None = None
    metadata: Mapping[str, Any] | None = None

    @property
    def key(self) -> str:
        """Where the clean picture is kept."""
        return f"{self.folder}/{self.id}.png"


async def admit(door: Door, key_text: str | None) -> Caller:
    """Who uploads; raises what concerns the key, and `FileQuotaExceeded` before anything is read."""
    now = door.clock.now()

    def with_room(connection: Connection, caller: Caller) -> Caller:
        files.require_room(connection, caller.account.id, 1, now)
        return caller

    return await door.ask(key_text, Scope.RUN, with_room)


async def keep(door: Door, upload: Upload) -> File:
    """The picture as it is kept; raises `InputImageRefused` and `FileQuotaExceeded`, and then keeps nothing."""
    clean, width, height = await images.accept(upload.content, upload.part)
    now = door.clock.now()
    file = File(
        id=upload.id,
        account_id=upload.account_id,
        key=upload.key,
        content_type="image/png",
        width=width,
        height=height,
        size_bytes=len(clean),
        created_at=now,
        expires_at=now + door.options.output_ttl,
        name=upload.name,
        sha256=hashlib.sha256(clean).hexdigest(),
        metadata=upload.metadata,
    )
    await door.storage.put(file.key, clean)
    try:
        await door.database.write(lambda connection: _add(connection, file))
    except FileQuotaExceeded:
        await door.storage.delete(file.key)
        raise
    return file


def is_kept(connection: Connection, account_id: str, file_id: str) -> bool:
    """Whether the account has the file already."""
    try:
        files.owned(connection, file_id, account_id)
    except UnknownFile:
        return False
    return True


def _add(connection: Connection, file: File) -> None:
    """Note a file once, however many bring it at the same time."""
    accounts.lock(connection, file.account_id)
    if not is_kept(connection, file.account_id, file.id):
        files.add(connection, file)

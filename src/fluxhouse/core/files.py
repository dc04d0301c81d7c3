"""Uploaded files: input pictures that an account has handed in and may name by id."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import (
    JSON,
    Column,
    Connection,
    ForeignKey,
    Index,
    Integer,
    Row,
    String,
    Table,
    delete,
    func,
    insert,
    select,
)

from fluxhouse.core import accounts
from fluxhouse.core.cursors import beyond
from fluxhouse.database.schema import Instant, metadata
from fluxhouse.generation.errors import FileQuotaExceeded, UnknownFile

LONGEST_NAME = 200  # characters
FOLDERS = ("files/", "fal/files/")  # of the store, in which the bytes of files lie
QUOTA_BYTES = 500 * 1000 * 1000  # what the unexpired files of one account may take

files = Table(
    "files",
    metadata,
    Column("id", String(32), primary_key=True),
    Column("account_id", String(32), ForeignKey("accounts.id"), nullable=False),
    Column("key", String(200), nullable=False),
    Column("content_type", String(100), nullable=False),
    Column("width", Integer, nullable=False),
    Column("height", Integer, nullable=False),
    Column("size_bytes", Integer, nullable=False),
    Column("created_at", Instant, nullable=False),
    Column("expires_at", Instant, nullable=False),
    Column("name", String(LONGEST_NAME)),
    Column("sha256", String(64)),
    Column("metadata", JSON(none_as_null=True)),
    Index("ix_files_expires_at", "expires_at"),
    Index("ix_files_owner", "account_id", "created_at", "id"),
)


@dataclass(frozen=True, slots=True)
class File:
    """An uploaded picture; `key` names its bytes in storage.

    Its owner's name and metadata for it, and the digest of the bytes, are kept where the dialect it came by has them.
    """

    id: str
    account_id: str
    key: str
    content_type: str
    width: int
    height: int
    size_bytes: int
    created_at: datetime
    expires_at: datetime
    name: str | None = None
    sha256: str | None = None
    metadata: Mapping[str, Any] | None = None


def require_room(connection: Connection, account_id: str, size_bytes: int, now: datetime) -> None:
    """Raise `FileQuotaExceeded` where a further file of that size is too much for the account."""
    kept = select(func.coalesce(func.sum(files.c.size_bytes), 0))
    kept = kept.where(files.c.account_id == account_id, files.c.expires_at > now)
    taken = int(connection.execute(kept).scalar_one())
    if taken + size_bytes > QUOTA_BYTES:
        raise FileQuotaExceeded(
            f"The uploaded files of an account may take {QUOTA_BYTES:,} bytes; yours take {taken:,}. "
            "Delete some, or wait until they expire."
        )


def add(connection: Connection, file: File) -> None:
    """Note an uploaded file whose bytes are durable; raises `FileQuotaExceeded`."""
    if not file.key.startswith(FOLDERS):
        raise ValueError(f"{file.key} is in no folder of files, so that nobody would find it without its row")
    accounts.lock(connection, file.account_id)  # two uploads at once must see each other
    require_room(connection, file.account_id, file.size_bytes, file.created_at)
    connection.execute(
        insert(files).values(
            id=file.id,
            account_id=file.account_id,
            key=file.key,
            content_type=file.content_type,
            width=file.width,
            height=file.height,
            size_bytes=file.size_bytes,
            created_at=file.created_at,
            expires_at=file.expires_at,
            name=file.name,
            sha256=file.sha256,
            metadata=file.metadata,
        )
    )


def owned(connection: Connection, file_id: str, account_id: str) -> File:
    """The account's own file; raises `UnknownFile`."""
    mine = (files.c.id == file_id) & (files.c.account_id == account_id)
    row = connection.execute(select(files).where(mine)).one_or_none()
    if row is None:
        raise UnknownFile
    return _from_row(row)


def page(
    connection: Connection, account_id: str, now: datetime, limit: int, before: tuple[datetime, str] | None = None
) -> list[File]:
    """An account's unexpired files, newest first; `before` is the `(created_at, id)` of the last one seen."""
    mine = select(files).where(files.c.account_id == account_id, files.c.expires_at > now)
    if before is not None:
        mine = mine.where(beyond(files, before))
    ordered = mine.order_by(files.c.created_at.desc(), files.c.id.desc()).limit(limit)
    return [_from_row(row) for row in connection.execute(ordered)]


def outdated(connection: Connection, now: datetime, limit: int) -> list[File]:
    """Files past their expiry."""
    due = select(files).where(files.c.expires_at <= now).order_by(files.c.expires_at).limit(limit)
    return [_from_row(row) for row in connection.execute(due)]


def known(connection: Connection) -> set[str]:
    """The keys of all files."""
    return set(connection.execute(select(files.c.key)).scalars())


def remove(connection: Connection, file_id: str) -> None:
    """Forget a file."""
    connection.execute(delete(files).where(files.c.id == file_id))


def _from_row(row: Row[Any]) -> File:
    return File(
        id=row.id,
        account_id=row.account_id,
        key=row.key,
        content_type=row.content_type,
        width=row.width,
        height=row.height,
        size_bytes=row.size_bytes,
        created_at=row.created_at,
        expires_at=row.expires_at,
        name=row.name,
        sha256=row.sha256,
        metadata=row.metadata,
    )

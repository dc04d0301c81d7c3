"""LoRAs: files kept by content, where they were fetched from, and what accounts have registered."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import (
    BigInteger,
    Column,
    Connection,
    ForeignKey,
    Index,
    Integer,
    Row,
    String,
    Table,
    delete,
    exists,
    func,
    insert,
    select,
    update,
)
from sqlalchemy.dialects.postgresql import insert as upsert  # SQLite compiles its ON CONFLICT as well

from fluxhouse.core import accounts, jobs
from fluxhouse.database.schema import Instant, metadata
from fluxhouse.generation.errors import FileQuotaExceeded, UnknownLora
from fluxhouse.generation.lora_layout import LONGEST_TRIGGER

QUOTA_BYTES = 10 * 1000**3  # what the registered LoRAs of one account may take
QUOTA_COUNT = 200
FRESH = timedelta(hours=12)  # how long a place is believed to hold what it held
IDLE = timedelta(minutes=15)  # who was given a file has submitted its job by then
_TOUCH_AFTER = timedelta(minutes=5)

lora_files = Table(
    "lora_files",
    metadata,
    Column("sha256", String(64), primary_key=True),
    Column("size_bytes", BigInteger, nullable=False),
    Column("format", String(10), nullable=False),
    Column("ignored", Integer, nullable=False),
    Column("used_at", Instant, nullable=False),
    Column("removed_at", Instant),
    Column("trigger_words", String(LONGEST_TRIGGER)),
    Index("ix_lora_files_used_at", "used_at"),
)
lora_places = Table(
    "lora_places",
    metadata,
    Column("place", String(64), primary_key=True),
    Column("sha256", String(64), ForeignKey("lora_files.sha256"), nullable=False),
    Column("fetched_at", Instant, nullable=False),
    Index("ix_lora_places_sha256", "sha256"),
)
loras = Table(
    "loras",
    metadata,
    Column("id", String(32), primary_key=True),
    Column("account_id", String(32), ForeignKey("accounts.id"), nullable=False),
    Column("sha256", String(64), ForeignKey("lora_files.sha256"), nullable=False),
    Column("name", String(100), nullable=False),
    Column("source", String(300)),
    Column("created_at", Instant, nullable=False),
    Index("ix_loras_account_id", "account_id", "created_at"),
    Index("ix_loras_sha256", "sha256"),
)

_REGISTERED = exists().where(loras.c.sha256 == lora_files.c.sha256)
_PLACED = exists().where(lora_places.c.sha256 == lora_files.c.sha256)


@dataclass(frozen=True, slots=True)
class LoraFile:
    """A file in the store.

    `ignored` counts its tensors for text encoders, which are not applied; `trigger` are the words that it answers to,
    where it says any.
    """

    sha256: str
    size_bytes: int
    format: str
    ignored: int
    trigger: str | None = None

    @property
    def key(self) -> str:
        """Where its bytes are kept."""
        return f"loras/{self.sha256}.safetensors"


@dataclass(frozen=True, slots=True)
class RegisteredLora:
    """A LoRA that an account may name by id; `source` is where it was fetched from, None where it was uploaded."""

    id: str
    account_id: str
    file: LoraFile
    name: str
    source: str | None
    created_at: datetime


def use(connection: Connection, sha256: str, now: datetime) -> LoraFile | None:
    """The file with that content, safe from removal for a while; None where there is none, or it is being removed."""
    row = connection.execute(select(lora_files).where(lora_files.c.sha256 == sha256)).one_or_none()
    if row is None:
        return None
    if row.used_at <= now - _TOUCH_AFTER:
        kept = update(lora_files).where(lora_files.c.sha256 == sha256, lora_files.c.removed_at.is_(None))
        if connection.execute(kept.values(used_at=now)).rowcount == 0:
            return None
    return None if row.removed_at is not None else _file(row)


def use_place(connection: Connection, place: str, now: datetime) -> LoraFile | None:
    """`use` of what that place, a SHA-256 of how it is spelled, held when it was last asked, not long ago."""
    known = select(lora_places.c.sha256).where(lora_places.c.place == place, lora_places.c.fetched_at > now - FRESH)
    sha256 = connection.execute(known).scalar_one_or_none()
    return None if sha256 is None else use(connection, sha256, now)


def use_registered(connection: Connection, lora_id: str, account_id: str, now: datetime) -> LoraFile:
    """`use` of the account's own LoRA; raises `UnknownLora`."""
    file = use(connection, owned(connection, lora_id, account_id).file.sha256, now)
    if file is None:
        raise UnknownLora
    return file


def is_leaving(connection: Connection, sha256: str, since: datetime | None = None) -> bool:
    """Whether the file with that content is just being removed; `since` asks for the removal that began then."""
    leaving = select(lora_files.c.removed_at).where(lora_files.c.sha256 == sha256)
    began = connection.execute(leaving).scalar_one_or_none()
    return began is not None and since in (None, began)


def add(connection: Connection, file: LoraFile, now: datetime) -> None:
    """Note a file whose bytes are durable; one of the same content may have come first, and may be leaving."""
    values = {
        "sha256": file.sha256,
        "size_bytes": file.size_bytes,
        "format": file.format,
        "ignored": file.ignored,
        "used_at": now,
        "trigger_words": file.trigger,
    }
    connection.execute(upsert(lora_files).values(values).on_conflict_do_nothing())


def found_at(connection: Connection, place: str, file: LoraFile, now: datetime) -> None:
    """Note what a place held."""
    noted = upsert(lora_places).values(place=place, sha256=file.sha256, fetched_at=now)
    connection.execute(
        noted.on_conflict_do_update(
            index_elements=[lora_places.c.place], set_={"sha256": file.sha256, "fetched_at": now}
        )
    )


def require_room(connection: Connection, account_id: str, size_bytes: int) -> None:
    """Raise `FileQuotaExceeded` where a further LoRA of that size is too much for the account."""
    mine = select(func.count(), func.coalesce(func.sum(lora_files.c.size_bytes), 0))
    mine = mine.select_from(loras.join(lora_files)).where(loras.c.account_id == account_id)
    count, taken = connection.execute(mine).one()
    if count >= QUOTA_COUNT or taken + size_bytes > QUOTA_BYTES:
        raise FileQuotaExceeded(
            f"An account may keep {QUOTA_COUNT} LoRAs of {QUOTA_BYTES:,} bytes in all; yours are {count} of "
            f"{int(taken):,} bytes. Delete some."
        )


def require_room_for(connection: Connection, account_id: str, file: LoraFile, name: str) -> None:
    """Raise `FileQuotaExceeded` where to `register` that file under that name would."""
    if _registered_as(connection, account_id, file, name) is None:
        require_room(connection, account_id, file.size_bytes)


def register(connection: Connection, lora: RegisteredLora) -> RegisteredLora:
    """Note an account's LoRA, once: a repeat with the same content and name gives the first one back.

    Raises `FileQuotaExceeded`.
    """
    accounts.lock(connection, lora.account_id)  # two at once must see each other
    first = _registered_as(connection, lora.account_id, lora.file, lora.name)
    if first is not None:
        return first
    require_room(connection, lora.account_id, lora.file.size_bytes)
    connection.execute(
        insert(loras).values(
            id=lora.id,
            account_id=lora.account_id,
            sha256=lora.file.sha256,
            name=lora.name,
            source=lora.source,
            created_at=lora.created_at,
        )
    )
    return lora


def owned(connection: Connection, lora_id: str, account_id: str) -> RegisteredLora:
    """The account's own LoRA; a foreign one is as unknown as one that never was: `UnknownLora`."""
    row = connection.execute(_owned_rows(account_id).where(loras.c.id == lora_id)).one_or_none()
    if row is None:
        raise UnknownLora
    return _lora(row)


def of_account(connection: Connection, account_id: str) -> list[RegisteredLora]:
    """The account's LoRAs, newest first."""
    newest = _owned_rows(account_id).order_by(loras.c.created_at.desc(), loras.c.id)
    return [_lora(row) for row in connection.execute(newest)]


def remove(connection: Connection, lora_id: str) -> None:
    """Forget an account's LoRA; its file goes once no job needs it."""
    connection.execute(delete(loras).where(loras.c.id == lora_id))


def unregistered_bytes(connection: Connection) -> int:
    """What the files take that no account has registered, without those that are leaving."""
    taken = select(func.coalesce(func.sum(lora_files.c.size_bytes), 0))
    return int(connection.execute(taken.where(~_REGISTERED, lora_files.c.removed_at.is_(None))).scalar_one())


def dismiss(connection: Connection, byte_budget: int, now: datetime) -> list[str]:
    """Contents that the caller shall remove, each noted as leaving; beginning with who was used least recently.

    Nobody has registered them, no job that has not ended asks for them, nobody was given them just now; and their
    place is not known any more, or the files of their kind take more than the budget. What another has begun to remove
    is the caller's only once that one must have crashed.
    """
    idle = select(lora_files, _PLACED.label("placed")).where(
        lora_files.c.used_at <= now - IDLE,
        ~_REGISTERED,
        lora_files.c.removed_at.is_(None) | (lora_files.c.removed_at <= now - IDLE),
    )
    # Locked before what is taken is counted: who dismisses at the same time counts after us, without what we dismissed.
    rows = connection.execute(idle.order_by(lora_files.c.used_at).with_for_update(of=lora_files)).all()
    taken = unregistered_bytes(connection)
    if taken <= byte_budget and all(row.placed for row in rows):
        return []
    wanted = {lora.path for job in jobs.open_jobs(connection) for lora in job.request.loras}
    leaving = []
    for row in rows:
        unneeded = not row.placed or taken > byte_budget
        if unneeded and _file(row).key not in wanted and _dismissed(connection, row, now):
            leaving.append(str(row.sha256))
            taken -= row.size_bytes if row.removed_at is None else 0
    return leaving


def claim(connection: Connection, sha256: str, now: datetime) -> bool:
    """Note bytes without a row as leaving; False where a row has come meanwhile."""
    values = {"sha256": sha256, "size_bytes": 0, "format": "", "ignored": 0, "used_at": now, "removed_at": now}
    claimed = upsert(lora_files).values(values).on_conflict_do_nothing().returning(lora_files.c.sha256)
    return connection.execute(claimed).first() is not None


def forget(connection: Connection, sha256: str, since: datetime) -> None:
    """Forget a file whose removal began then, and whose bytes are gone."""
    gone = delete(lora_files).where(lora_files.c.sha256 == sha256, lora_files.c.removed_at == since)
    connection.execute(gone)


def known(connection: Connection) -> set[str]:
    """The contents of all files, also of those that are leaving."""
    return set(connection.execute(select(lora_files.c.sha256)).scalars())


def _dismissed(connection: Connection, row: Row[Any], now: datetime) -> bool:
    """Note that the file leaves, unless somebody has used, registered or begun to remove it meanwhile."""
    seen = (lora_files.c.used_at == row.used_at) & lora_files.c.removed_at.is_not_distinct_from(row.removed_at)
    same = (lora_files.c.sha256 == row.sha256) & seen & ~_REGISTERED
    if connection.execute(update(lora_files).where(same).values(removed_at=now)).rowcount == 0:
        return False
    connection.execute(delete(lora_places).where(lora_places.c.sha256 == row.sha256))
    return True


def _registered_as(connection: Connection, account_id: str, file: LoraFile, name: str) -> RegisteredLora | None:
    same = _owned_rows(account_id).where(loras.c.sha256 == file.sha256, loras.c.name == name)
    row = connection.execute(same).first()
    return None if row is None else _lora(row)


def _owned_rows(account_id: str) -> Any:
    return select(loras, lora_files).join(lora_files).where(loras.c.account_id == account_id)


def _file(row: Row[Any]) -> LoraFile:
    return LoraFile(row.sha256, row.size_bytes, row.format, row.ignored, row.trigger_words)


def _lora(row: Row[Any]) -> RegisteredLora:
    return RegisteredLora(row.id, row.account_id, _file(row), row.name, row.source, row.created_at)

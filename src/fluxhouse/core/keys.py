"""API keys: random text shown once, kept as an HMAC, with scopes, models, expiry, spend cap and rate."""

from __future__ import annotations

import hashlib
import hmac
import secrets
import zlib
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    Column,
    Connection,
    ForeignKey,
    Index,
    Integer,
    Row,
    String,
    Table,
    bindparam,
    insert,
    select,
    update,
)
from sqlalchemy.dialects.postgresql import insert as upsert  # SQLite compiles its ON CONFLICT as well

from fluxhouse.core.accounts import Account
from fluxhouse.core.accounts import accounts as account_table
from fluxhouse.database.schema import Instant, metadata
from fluxhouse.generation.errors import AccountSuspended, InvalidKey, KeyNotAllowed

DEFAULT_RATE_PER_MINUTE = 600
CONSOLE_LABEL = "Console"
_ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_PREFIX_LENGTH, _SECRET_LENGTH, _CHECKSUM_LENGTH = 8, 32, 6  # 32 characters of 62 are 190 bits

keys = Table(
    "keys",
    metadata,
    Column("id", String(_PREFIX_LENGTH), primary_key=True),
    Column("account_id", String(32), ForeignKey("accounts.id"), nullable=False),
    Column("digest", String(64), nullable=False),
    Column("label", String(100), nullable=False),
    Column("scopes", JSON, nullable=False),
    Column("models", JSON(none_as_null=True)),
    Column("expires_at", Instant),
    Column("spend_cap_micro", BigInteger),
    Column("spent_micro", BigInteger, nullable=False),
    Column("rate_per_minute", Integer, nullable=False),
    Column("created_at", Instant, nullable=False),
    Column("last_used_at", Instant),
    Column("revoked_at", Instant),
    Index("ix_keys_account_id", "account_id"),
)

_SPENT = keys.c.spent_micro + bindparam("amount")
_SPEND = (
    update(keys)
    .where(keys.c.id == bindparam("spender"), keys.c.spend_cap_micro.is_(None) | (keys.c.spend_cap_micro >= _SPENT))
    .values(spent_micro=_SPENT, last_used_at=bindparam("last_used_at"))
)
_GIVE_BACK = (
    update(keys).where(keys.c.id == bindparam("spender")).values(spent_micro=keys.c.spent_micro - bindparam("amount"))
)
_WITH_ACCOUNT = (
    select(keys, account_table.c.name, account_table.c.suspended, account_table.c.weight)
    .add_columns(account_table.c.created_at.label("account_created_at"))
    .join(account_table)
    .where(keys.c.id == bindparam("prefix"))
)


class Scope(StrEnum):
    """What a key may do."""

    RUN = "run"  # submit and cancel jobs, upload and delete files
    READ = "read"  # see jobs, files, credits and usage


@dataclass(frozen=True, slots=True)
class Key:
    """A key as it is kept: its public `id`, never its text.

    `models` None means every model. `spent_micro` counts what this key's jobs have held and not given back.
    """

    id: str
    account_id: str
    label: str
    scopes: frozenset[str]
    models: frozenset[str] | None
    expires_at: datetime | None
    spend_cap_micro: int | None
    spent_micro: int
    rate_per_minute: int
    created_at: datetime
    last_used_at: datetime | None
    revoked_at: datetime | None

    @property
    def name(self) -> str:
        """What people know it by: its label, or its beginning."""
        return self.label or f"fh_{self.id}"

    def require(self, scope: Scope) -> None:
        """Raise `KeyNotAllowed` unless the key has the scope."""
        if scope not in self.scopes:
            raise KeyNotAllowed(f"this API key lacks the scope `{scope}`")


@dataclass(frozen=True, slots=True)
class Caller:
    """Who is asking: an account by one of its keys."""

    account: Account
    key: Key


@dataclass(frozen=True, slots=True)
class Limits:
    """What a new key shall be allowed."""

    scopes: frozenset[str] = frozenset(Scope)
    models: frozenset[str] | None = None
    expires_at: datetime | None = None
    spend_cap_micro: int | None = None
    rate_per_minute: int = DEFAULT_RATE_PER_MINUTE


def issue(
    connection: Connection, account_id: str, pepper: bytes, now: datetime, label: str = "", limits: Limits | None = None
) -> tuple[Key, str]:
    """A new key and its text, which is shown now and never again.

    The text is `fh_`, a public prefix, `_`, a secret and a checksum, so that scanners can tell a leaked key from noise.
    """
    prefix, secret = _random_text(_PREFIX_LENGTH), _random_text(_SECRET_LENGTH)
    text = _key_text(prefix, secret)
    connection.execute(insert(keys).values(_row(account_id, text, pepper, now, label, limits or Limits())))
    return from_row(connection.execute(select(keys).where(keys.c.id == prefix)).one()), text


def console_key(connection: Connection, account_id: str, pepper: bytes, now: datetime) -> str:
    """The text of the key by which the console works for this account, the same each time; issued at first use.

    It is derived and never shown: who signs in needs no key, and what is done there is seen as the console's.
    """
    prefix = console_key_id(account_id, pepper)
    text = _key_text(prefix, _derived(account_id, pepper, b"console key secret", _SECRET_LENGTH))
    if connection.execute(select(keys.c.id).where(keys.c.id == prefix)).one_or_none() is None:
        row = _row(account_id, text, pepper, now, CONSOLE_LABEL, Limits())
        connection.execute(upsert(keys).values(row).on_conflict_do_nothing())
    return text


def console_key_id(account_id: str, pepper: bytes) -> str:
    """The public id of that key, whether or not it was issued yet."""
    return _derived(account_id, pepper, b"console key prefix", _PREFIX_LENGTH)


def _row(account_id: str, text: str, pepper: bytes, now: datetime, label: str, limits: Limits) -> dict[str, Any]:
    return {
        "id": _prefix(text),
        "account_id": account_id,
        "digest": _digest(text, pepper),
        "spent_micro": 0,
        "created_at": now,
        **_limited(label, limits),
    }


def _limited(label: str, limits: Limits) -> dict[str, Any]:
    return {
        "label": label,
        "scopes": sorted(limits.scopes),
        "models": None if limits.models is None else sorted(limits.models),
        "expires_at": limits.expires_at,
        "spend_cap_micro": limits.spend_cap_micro,
        "rate_per_minute": limits.rate_per_minute,
    }


def authenticate(connection: Connection, text: str, pepper: bytes, now: datetime) -> Caller:
    """The caller whose key this is; raises `InvalidKey` or `AccountSuspended`.

    Looked up by the public prefix, compared as a digest in constant time.
    """
    prefix = _prefix(text)
    row = connection.execute(_WITH_ACCOUNT, {"prefix": prefix}).one_or_none()
    if row is None or not hmac.compare_digest(row.digest, _digest(text, pepper)):
        raise InvalidKey
    key = from_row(row)
    if key.revoked_at is not None or (key.expires_at is not None and key.expires_at <= now):
        raise InvalidKey
    if row.suspended:
        raise AccountSuspended
    account = Account(key.account_id, row.name, suspended=False, weight=row.weight, created_at=row.account_created_at)
    return Caller(account, key)


def get(connection: Connection, key_id: str) -> Key:
    """The key with that public id, which must exist."""
    return from_row(connection.execute(select(keys).where(keys.c.id == key_id)).one())


def of_account(connection: Connection, account_id: str) -> list[Key]:
    """All keys of an account, oldest first."""
    return [
        from_row(row)
        for row in connection.execute(select(keys).where(keys.c.account_id == account_id).order_by(keys.c.created_at))
    ]


def owned(connection: Connection, key_id: str, account_id: str) -> Key | None:
    """The account's own key, revoked or not; a foreign one is as unknown as one that never was."""
    mine = select(keys).where(keys.c.id == key_id, keys.c.account_id == account_id)
    row = connection.execute(mine).one_or_none()
    return None if row is None else from_row(row)


def change(connection: Connection, key_id: str, label: str, limits: Limits) -> None:
    """Give a key another name and other limits, from its next call."""
    values = _limited(label, limits)
    connection.execute(update(keys).where(keys.c.id == key_id).values(values))


def end_at(connection: Connection, key_id: str, moment: datetime) -> None:
    """Let a key expire at that moment, or before it where it would have anyway."""
    later = keys.c.expires_at.is_(None) | (keys.c.expires_at > moment)
    connection.execute(update(keys).where(keys.c.id == key_id, later).values(expires_at=moment))


def revoke(connection: Connection, key_id: str, now: datetime) -> bool:
    """Make a key useless at once; False where there is no such key in force."""
    in_force = update(keys).where(keys.c.id == key_id, keys.c.revoked_at.is_(None))
    return connection.execute(in_force.values(revoked_at=now)).rowcount == 1


def spend(connection: Connection, key_id: str, amount_micro: int, now: datetime) -> bool:
    """Count a hold against the key's cap; False, and nothing counted, where it would go over."""
    spent = connection.execute(_SPEND, {"spender": key_id, "amount": amount_micro, "last_used_at": now})
    return spent.rowcount == 1


def give_back(connection: Connection, key_id: str, amount_micro: int) -> None:
    """Uncount what a job released."""
    connection.execute(_GIVE_BACK, {"spender": key_id, "amount": amount_micro})


def from_row(row: Row[Any]) -> Key:
    """A key from a row that has its columns under their own names."""
    return Key(
        id=row.id,
        account_id=row.account_id,
        label=row.label,
        scopes=frozenset(row.scopes),
        models=None if row.models is None else frozenset(row.models),
        expires_at=row.expires_at,
        spend_cap_micro=row.spend_cap_micro,
        spent_micro=row.spent_micro,
        rate_per_minute=row.rate_per_minute,
        created_at=row.created_at,
        last_used_at=row.last_used_at,
        revoked_at=row.revoked_at,
    )


def _prefix(text: str) -> str:
    """The public prefix of a well-formed key text; `InvalidKey` before the database is asked about anything else."""
    parts = text.split("_")
    well_formed = len(parts) == 3 and parts[0] == "fh" and text.isascii()
    if not well_formed or _checksum(text[:-_CHECKSUM_LENGTH]) != text[-_CHECKSUM_LENGTH:]:
        raise InvalidKey
    return parts[1]


def _random_text(length: int) -> str:
    return "".join(secrets.choice(_ALPHABET) for _ in range(length))


def _key_text(prefix: str, secret: str) -> str:
    text = f"fh_{prefix}_{secret}"
    return text + _checksum(text)


def _derived(account_id: str, pepper: bytes, purpose: bytes, length: int) -> str:
    """Text of that length that only who has the pepper can tell."""
    number = int.from_bytes(hmac.digest(pepper, purpose + b":" + account_id.encode(), hashlib.sha512), "big")
    characters = ""
    for _ in range(length):
        number, digit = divmod(number, len(_ALPHABET))
        characters += _ALPHABET[digit]
    return characters


def _digest(text: str, pepper: bytes) -> str:
    return hmac.new(pepper, text.encode(), hashlib.sha256).hexdigest()


def _checksum(text: str) -> str:
    number, characters = zlib.crc32(text.encode()), ""
    for _ in range(_CHECKSUM_LENGTH):
        number, digit = divmod(number, len(_ALPHABET))
        characters = _ALPHABET[digit] + characters
    return characters

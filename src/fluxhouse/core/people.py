"""People: who signs in to the console with an e-mail address and a password, for which account and in which role."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from functools import cache
from typing import Any

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError
from sqlalchemy import Column, Connection, ForeignKey, Index, Row, String, Table, func, insert, select, update

from fluxhouse.core.ids import new_id
from fluxhouse.database.schema import Instant, metadata
from fluxhouse.generation.errors import InvalidParameter

SHORTEST_PASSWORD, LONGEST_PASSWORD = 10, 200
_ADDRESS = re.compile(r"[^@\s\x00-\x1f\x7f]{1,64}@[^@\s\x00-\x1f\x7f]{1,180}")
_hasher = PasswordHasher()  # RFC 9106's second choice: 64 MiB, three passes

people = Table(
    "people",
    metadata,
    Column("id", String(32), primary_key=True),
    Column("account_id", String(32), ForeignKey("accounts.id"), nullable=False),
    Column("address", String(254), nullable=False, unique=True),
    Column("password_digest", String(200), nullable=False),
    Column("role", String(10), nullable=False),
    Column("created_at", Instant, nullable=False),
    Index("ix_people_account_id", "account_id"),
)


class Role(StrEnum):
    """What a person may see."""

    MEMBER = "member"  # the own account
    ADMIN = "admin"  # the whole installation too


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody who signs in by `address`, an e-mail address in lower case, to one account."""

    id: str
    account_id: str
    address: str
    role: Role
    created_at: datetime

    @property
    def is_admin(self) -> bool:
        return self.role is Role.ADMIN


def normal_address(text: str) -> str:
    """An e-mail address as it is kept; raises `InvalidParameter` where it is none."""
    address = text.strip().lower()
    if not _ADDRESS.fullmatch(address):
        raise InvalidParameter("an e-mail address looks like name@example.com", field="address")
    return address


def digest_password(password: str) -> str:
    """What is kept of a password (argon2id). Slow on purpose: call it outside any transaction.

    Raises `InvalidParameter` for one that is too short or too long.
    """
    if not SHORTEST_PASSWORD <= len(password) <= LONGEST_PASSWORD:
        raise InvalidParameter(f"a password has {SHORTEST_PASSWORD} to {LONGEST_PASSWORD} characters", field="password")
    return _hasher.hash(password)


@cache
def _nobody() -> str:
    """What is verified where nobody has the address, so that both answers take as long."""
    return _hasher.hash("nobody has this password")


def password_fits(digest: str | None, password: str) -> bool:
    """Whether the password is the one kept as `digest`; as slow where there is none. Call it outside a transaction."""
    try:
        fits = _hasher.verify(digest or _nobody(), password[: LONGEST_PASSWORD + 1])
    except (VerificationError, InvalidHashError):
        return False
    return fits and digest is not None


def create(
    connection: Connection, account_id: str, address: str, password_digest: str, role: Role, now: datetime
) -> Person:
    """A new person; raises `InvalidParameter` where the address is none or taken."""
    address = normal_address(address)
    if by_address(connection, address) is not None:
        raise InvalidParameter("somebody has this address already", field="address")
    person = Person(new_id(), account_id, address, role, now)
    connection.execute(
        insert(people).values(
            id=person.id,
            account_id=account_id,
            address=address,
            password_digest=password_digest,
            role=role.value,
            created_at=now,
        )
    )
    return person


def by_address(connection: Connection, address: str) -> tuple[Person, str] | None:
    """The person with that e-mail address and the digest of the password, if there is one."""
    row = connection.execute(select(people).where(people.c.address == address.strip().lower())).one_or_none()
    return None if row is None else (from_row(row), row.password_digest)


def of_account(connection: Connection, account_id: str) -> list[Person]:
    """All people of an account by address."""
    query = select(people).where(people.c.account_id == account_id).order_by(people.c.address)
    return [from_row(row) for row in connection.execute(query)]


def there_is_an_admin(connection: Connection) -> bool:
    """Whether anybody may see the whole installation."""
    query = select(func.count()).select_from(people).where(people.c.role == Role.ADMIN.value)
    return connection.execute(query).scalar_one() > 0


def set_password(connection: Connection, person_id: str, password_digest: str) -> None:
    """Replace the password."""
    connection.execute(update(people).where(people.c.id == person_id).values(password_digest=password_digest))


def set_role(connection: Connection, person_id: str, role: Role) -> None:
    """Give another role."""
    connection.execute(update(people).where(people.c.id == person_id).values(role=role.value))


def from_row(row: Row[Any]) -> Person:
    """A person from a row that has the columns under their own names."""
    return Person(row.id, row.account_id, row.address, Role(row.role), row.created_at)

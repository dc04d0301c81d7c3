"""Sessions: who is signed in to the console, by a random token that is kept as a digest only."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Column, Connection, ForeignKey, Index, String, Table, delete, func, insert, select, update

from fluxhouse.core import people as people_noun
from fluxhouse.core.accounts import accounts
from fluxhouse.core.people import Person, people
from fluxhouse.database.schema import Instant, metadata

LIFETIME = timedelta(days=30)
IDLE = timedelta(days=7)
FRESH = timedelta(minutes=15)
_SEEN_EVERY = timedelta(minutes=5)  # so that reading pages hardly ever writes
_NAME = 16  # characters of a digest

sessions = Table(
    "sessions",
    metadata,
    Column("digest", String(64), primary_key=True),
    Column("person_id", String(32), ForeignKey("people.id"), nullable=False),
    Column("created_at", Instant, nullable=False),
    Column("proven_at", Instant, nullable=False),
    Column("seen_at", Instant, nullable=False),
    Index("ix_sessions_person_id", "person_id"),
    Index("ix_sessions_seen_at", "seen_at"),
)


@dataclass(frozen=True, slots=True)
class Session:
    """A person at a browser. `token` is what the cookie holds; `proven_at` is when the password was last given."""

    token: str
    person: Person
    account_name: str
    proven_at: datetime
    seen_at: datetime

    def is_fresh(self, now: datetime) -> bool:
        """Whether the password was given recently enough for what must not be done at somebody's unlocked screen."""
        return now - self.proven_at < FRESH

    def wants_touch(self, now: datetime) -> bool:
        """Whether it is time to note that the session is in use."""
        return now - self.seen_at >= _SEEN_EVERY

    def form_token(self, pepper: bytes) -> str:
        """What every form of this session carries, so that no other site can send one."""
        return hmac.new(pepper, b"form:" + self.token.encode(), hashlib.sha256).hexdigest()


@dataclass(frozen=True, slots=True)
class Seat:
    """A session as its person sees it among others; `name` says which without giving it away."""

    name: str
    begun_at: datetime
    seen_at: datetime
    is_this: bool


def begin(connection: Connection, person: Person, now: datetime) -> str:
    """Sign a person in; returns the token for the cookie. Sessions that ended are swept on the way."""
    token = secrets.token_urlsafe(32)
    connection.execute(delete(sessions).where(sessions.c.seen_at < now - IDLE))
    connection.execute(
        insert(sessions).values(digest=_digest(token), person_id=person.id, created_at=now, proven_at=now, seen_at=now)
    )
    return token


def find(connection: Connection, token: str, now: datetime) -> Session | None:
    """The session in force with that token; None where it ended or its account is suspended."""
    query = (
        select(people, sessions.c.created_at.label("begun_at"), sessions.c.proven_at, sessions.c.seen_at)
        .add_columns(accounts.c.name, accounts.c.suspended)
        .select_from(sessions.join(people).join(accounts))
        .where(sessions.c.digest == _digest(token))
    )
    row = connection.execute(query).one_or_none()
    if row is None or row.suspended or now - row.begun_at >= LIFETIME or now - row.seen_at >= IDLE:
        return None
    return Session(token, people_noun.from_row(row), row.name, row.proven_at, row.seen_at)


def seats(connection: Connection, session: Session, now: datetime) -> list[Seat]:
    """Everywhere that the person is signed in, the last used first."""
    alive = (sessions.c.seen_at > now - IDLE) & (sessions.c.created_at > now - LIFETIME)
    query = select(sessions).where(sessions.c.person_id == session.person.id, alive).order_by(sessions.c.seen_at.desc())
    this = _digest(session.token)
    return [
        Seat(row.digest[:_NAME], row.created_at, row.seen_at, row.digest == this) for row in connection.execute(query)
    ]


def touch(connection: Connection, token: str, now: datetime) -> None:
    """Note that the session is in use."""
    connection.execute(update(sessions).where(sessions.c.digest == _digest(token)).values(seen_at=now))


def end(connection: Connection, token: str) -> None:
    """Sign out."""
    connection.execute(delete(sessions).where(sessions.c.digest == _digest(token)))


def end_seat(connection: Connection, person_id: str, name: str) -> None:
    """Sign a person out where the seat has that name."""
    named = func.substr(sessions.c.digest, 1, _NAME) == name
    connection.execute(delete(sessions).where(sessions.c.person_id == person_id, named))


def end_all(connection: Connection, person_id: str, but: str | None = None) -> None:
    """Sign a person out everywhere, except where the token is `but`: after a new password, or by an admin."""
    others = sessions.c.person_id == person_id
    if but is not None:
        others &= sessions.c.digest != _digest(but)
    connection.execute(delete(sessions).where(others))


def _digest(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()

"""SQLite as the platform needs it: write-ahead log, full durability, write transactions that lock at once."""

from __future__ import annotations

import sqlite3

from sqlalchemy import URL, Connection, Engine, create_engine, event
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import ConnectionPoolEntry

from fluxhouse.generation.errors import DatabaseUnavailable

BUSY_TIMEOUT_MS = 30_000  # how long one process waits for another's write transaction, such as a command's

_PRAGMAS = (
    f"PRAGMA busy_timeout={BUSY_TIMEOUT_MS}",  # first, since changing the journal mode may have to wait too
    "PRAGMA journal_mode=WAL",
    "PRAGMA synchronous=FULL",  # a commit is on disk when it returns; NORMAL may lose the last ones at power loss
    "PRAGMA foreign_keys=ON",
    "PRAGMA recursive_triggers=ON",  # without it REPLACE deletes rows past the triggers that refuse a delete
)


_OUTAGES = frozenset((sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_BUSY))


def told(error: BaseException, *, writing: bool) -> BaseException:
    """`DatabaseUnavailable` for an error of the disk or the file, caused by it; any other error as it is.

    That a file is read-only is an outage for who may write, and a mistake of ours elsewhere.
    """
    code = getattr(error.orig, "sqlite_errorcode", 0) if isinstance(error, DBAPIError) else 0
    primary = code & 0xFF  # the rest of an extended result code says more of the same
    if primary not in _OUTAGES and not (writing and primary == sqlite3.SQLITE_READONLY):
        return error
    outage = DatabaseUnavailable()
    outage.__cause__ = error
    return outage


def writing_engine(url: URL) -> Engine:
    """An engine whose transactions take the write lock when they begin, so that none fails half-way for want of it."""
    return _engine(url, "BEGIN IMMEDIATE", _PRAGMAS)


def reading_engine(url: URL) -> Engine:
    """An engine whose transactions are snapshots that cannot write."""
    return _engine(url, "BEGIN", (*_PRAGMAS, "PRAGMA query_only=ON"))


def _engine(url: URL, begin: str, pragmas: tuple[str, ...]) -> Engine:
    # Without its parameters an error of the database can be logged: they hold prompts.
    engine = create_engine(url, connect_args={"check_same_thread": False}, hide_parameters=True)

    @event.listens_for(engine, "connect")
    def prepare(connection: sqlite3.Connection, _record: ConnectionPoolEntry) -> None:
        # The driver's own implicit BEGIN is deferred and skips DDL; ours is explicit.
        connection.isolation_level = None
        for pragma in pragmas:
            connection.execute(pragma)

    @event.listens_for(engine, "begin")
    def start(connection: Connection) -> None:
        connection.exec_driver_sql(begin)

    return engine

"""A consistent copy of an embedded database, taken while others read and write it."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

from fluxhouse.database.sqlite import BUSY_TIMEOUT_MS


class CopyDamaged(RuntimeError):
    """The database file is not whole; the message is SQLite's."""


def copy_database(source: Path, target: Path) -> None:
    """Copy the newest committed state of `source` to the new file `target`; nobody waits for it.

    Raises `CopyDamaged` where SQLite finds the copy broken or no database at all.
    """
    try:
        with closing(_opened(source)) as ours, closing(sqlite3.connect(target)) as copy:
            ours.backup(copy)  # All pages in one step, on one snapshot.
            copy.execute("PRAGMA journal_mode=DELETE")  # One file, without a log beside it.
        check_database(target)
    except sqlite3.DatabaseError as error:
        raise CopyDamaged(str(error)) from error


def check_database(path: Path) -> None:
    """Raise `CopyDamaged` unless SQLite finds the whole file in order."""
    try:
        with closing(_opened(path)) as database:
            found = [row[0] for row in database.execute("PRAGMA integrity_check(3)")]
    except sqlite3.DatabaseError as error:
        raise CopyDamaged(str(error)) from error
    if found != ["ok"]:
        raise CopyDamaged("; ".join(found))


def _opened(path: Path) -> sqlite3.Connection:
    return sqlite3.connect(path, timeout=BUSY_TIMEOUT_MS / 1000)

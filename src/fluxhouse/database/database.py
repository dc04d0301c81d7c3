"""One database: transactions written on one thread, queries read on a few, both called from asyncio."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

from sqlalchemy import Connection, Engine, make_url

from fluxhouse.database.migrate import upgrade
from fluxhouse.database.sqlite import reading_engine, writing_engine
from fluxhouse.database.writer import Writer

T = TypeVar("T")

READERS = 3  # threads; a read is short, and SQLite readers never wait for the writer in WAL mode


class Database:
    """The platform's database, opened by URL (`sqlite:////absolute/path`).

    Nouns and verbs are plain functions of a `Connection`; a whole transaction is one such function. `write` runs it on
    the writer thread and returns after the commit, so one call is one durable step; `read` runs it on a snapshot.
    """

    def __init__(self, url: str) -> None:
        parsed = make_url(url)
        if parsed.get_backend_name() != "sqlite" or not parsed.database:
            raise ValueError(f"FLUXHOUSE_DATABASE_URL: only sqlite:////path/to/file is supported, not {parsed!r}")
        Path(parsed.database).parent.mkdir(parents=True, exist_ok=True)
        self._writing: Engine = writing_engine(parsed)
        self._reading: Engine = reading_engine(parsed)
        self._writer: Writer | None = None
        self._readers: ThreadPoolExecutor | None = None

    def migrate(self) -> None:
        """Bring the tables up to this version, under the database's own write lock."""
        with self.transaction() as connection:
            upgrade(connection)

    def start(self) -> None:
        """Start the threads; `write` and `read` work from here on."""
        self._writer = Writer(self._writing)
        self._readers = ThreadPoolExecutor(READERS, thread_name_prefix="database-reader")

    def close(self) -> None:
        """Finish what was asked and let go of the file."""
        if self._writer is not None:
            self._writer.close()
        if self._readers is not None:
            self._readers.shutdown()
        self._writing.dispose()
        self._reading.dispose()

    async def write(self, transaction: Callable[[Connection], T]) -> T:
        """The value of `transaction`, after it is durable; what it raises leaves nothing behind.

        Cancelling the caller does not stop a transaction that was asked for: shielded, it commits or fails whole.
        """
        assert self._writer is not None, "Database.start() comes first"
        return await asyncio.shield(asyncio.wrap_future(self._writer.submit(transaction)))

    async def read(self, query: Callable[[Connection], T]) -> T:
        """The value of `query` on one consistent snapshot."""
        assert self._readers is not None, "Database.start() comes first"
        return await asyncio.get_running_loop().run_in_executor(self._readers, self._read, query)

    def _read(self, query: Callable[[Connection], T]) -> T:
        with self._reading.connect() as connection:
            return query(connection)

    @contextmanager
    def transaction(self) -> Iterator[Connection]:
        """One transaction on the caller's own thread, for commands that run without an event loop."""
        with self._writing.begin() as connection:
            yield connection

    @contextmanager
    def snapshot(self) -> Iterator[Connection]:
        """One consistent, read-only view on the caller's own thread."""
        with self._reading.connect() as connection:
            yield connection

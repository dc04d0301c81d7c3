"""The embedded database: one SQLite file, written on one thread and read on a few."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

from sqlalchemy import URL, Connection, Engine
from sqlalchemy.exc import DBAPIError

from fluxhouse.database.migrate import upgrade
from fluxhouse.database.sqlite import reading_engine, told, writing_engine
from fluxhouse.database.writer import Writer

T = TypeVar("T")

READERS = 3  # threads; a read is short, and SQLite readers never wait for the writer in WAL mode
_PING_SECONDS = 5.0


class Embedded:
    """One SQLite file; one process serves and works on it, which the data folder's lock sees to."""

    def __init__(self, url: URL) -> None:
        if not url.database:
            raise ValueError(f"FLUXHOUSE_DATABASE_URL: {url!r} names no file")
        Path(url.database).parent.mkdir(parents=True, exist_ok=True)
        self._writing: Engine = writing_engine(url)
        self._reading: Engine = reading_engine(url)
        self._writer: Writer | None = None
        self._readers: ThreadPoolExecutor | None = None

    def migrate(self) -> None:
        with self.transaction() as connection:
            upgrade(connection)

    def start(self) -> None:
        self._writer = Writer(self._writing)
        self._readers = ThreadPoolExecutor(READERS, thread_name_prefix="database-reader")

    def close(self) -> None:
        if self._writer is not None:
            self._writer.close()
        if self._readers is not None:
            self._readers.shutdown()
        self._writing.dispose()
        self._reading.dispose()

    def submit(self, transaction: Callable[[Connection], T]) -> Future[T]:
        assert self._writer is not None, "Database.start() comes first"
        return self._writer.submit(transaction)

    def ask(self, query: Callable[[Connection], T]) -> Future[T]:
        assert self._readers is not None, "Database.start() comes first"
        return self._readers.submit(self._read, query)

    def _read(self, query: Callable[[Connection], T]) -> T:
        try:
            with self._reading.connect() as connection:
                return query(connection)
        except DBAPIError as error:
            raise told(error, writing=False) from error

    def ping(self) -> None:
        if self._writer is not None and self._writer.outage is not None:
            self._writer.submit(_write_something).result(_PING_SECONDS)
        with self._reading.connect() as connection:
            connection.exec_driver_sql("SELECT 1")

    @contextmanager
    def transaction(self) -> Iterator[Connection]:
        with self._writing.begin() as connection:
            yield connection

    @contextmanager
    def snapshot(self) -> Iterator[Connection]:
        with self._reading.connect() as connection:
            yield connection

    @contextmanager
    def alone(self, name: str) -> Iterator[bool]:  # noqa: ARG002  One process works here, so it always is.
        yield True


def _write_something(connection: Connection) -> None:
    """Change nothing, in a commit that reaches the disk."""
    version = connection.exec_driver_sql("PRAGMA user_version").scalar_one()
    connection.exec_driver_sql(f"PRAGMA user_version={version:d}")

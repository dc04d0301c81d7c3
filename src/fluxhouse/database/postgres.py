"""PostgreSQL: transactions on a pool of threads, tried again where that is safe, across restarts of the database."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from typing import Any, TypeVar, cast

from sqlalchemy import URL, Connection, Engine, NullPool, create_engine, text
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError

from fluxhouse.database.migrate import upgrade
from fluxhouse.generation.errors import DatabaseUnavailable

T = TypeVar("T")

WRITERS = 8  # threads and connections; a transaction waits for the disk, not for the processor
READERS = 4
PATIENCE_SECONDS = 10.0  # how long one call outlasts a database that restarts
CONFLICTS = 20  # how often one transaction is tried again after a deadlock or a serialization failure

_MIGRATING = 0x666C7578  # the number of the advisory lock under which tables change: "flux"
_CONFLICT_STATES = frozenset({"40001", "40P01"})  # serialization failure, deadlock: undone, so it may be tried again
_BUSY_STATES = frozenset({"55P03", "57014", "53300"})  # lock or statement timeout, too many connections: undone too
_STARTING_STATES = frozenset({"57P01", "57P02", "57P03"})  # shutting down, crashed, starting up
_OPTIONS = "-c lock_timeout=15s -c statement_timeout=60s -c idle_in_transaction_session_timeout=60s -c timezone=UTC"
# As defaults of the connection: to set them for each transaction would cost more than most queries.
_READ_COMMITTED = " -c default_transaction_isolation=read\\ committed"
_SNAPSHOT = " -c default_transaction_isolation=repeatable\\ read -c default_transaction_read_only=on"
_CONNECT_SECONDS = 5


class Postgres:
    """A PostgreSQL database that any number of processes on any number of hosts share."""

    def __init__(self, url: URL) -> None:
        self._url = url.set(drivername="postgresql+psycopg")
        try:
            self._engine = self._new_engine(pool_size=WRITERS, max_overflow=2)
            self._snapshots = self._new_engine(_SNAPSHOT, pool_size=READERS, max_overflow=2)
            # Locks and notifications belong to a connection, which therefore must not come from the pool.
            self._own = self._new_engine(poolclass=NullPool)
        except ModuleNotFoundError as missing:
            raise ValueError(
                "FLUXHOUSE_DATABASE_URL: postgresql:// needs the extra postgres: pip install 'fluxhouse[postgres]'"
            ) from missing
        self._writers: ThreadPoolExecutor | None = None
        self._readers: ThreadPoolExecutor | None = None

    def _new_engine(self, defaults: str = _READ_COMMITTED, **pool: Any) -> Engine:
        arguments = {"connect_timeout": _CONNECT_SECONDS, "application_name": "fluxhouse"}
        arguments |= {"keepalives_idle": 5, "keepalives_interval": 2, "keepalives_count": 3, "tcp_user_timeout": 15000}
        if "poolclass" not in pool:
            pool["pool_use_lifo"] = True  # the connection used last knows the statements best
        # Without its parameters an error of the database can be logged: they hold prompts.
        return create_engine(
            self._url, hide_parameters=True, connect_args=arguments | {"options": _OPTIONS + defaults}, **pool
        )

    @property
    def conninfo(self) -> str:
        """The address as libpq takes it."""
        return self._url.set(drivername="postgresql").render_as_string(hide_password=False)

    def migrate(self) -> None:
        _patiently(self._migrate, upgrade)

    def _migrate(self, change: Callable[[Connection], None]) -> None:
        with self._own.begin() as connection:
            # Tables may be large: what changes them waits as long as it must.
            connection.execute(text("SET LOCAL lock_timeout = 0; SET LOCAL statement_timeout = 0"))
            connection.execute(text("SELECT pg_advisory_xact_lock(:name)"), {"name": _MIGRATING})
            change(connection)

    def start(self) -> None:
        self._writers = ThreadPoolExecutor(WRITERS, thread_name_prefix="database-writer")
        self._readers = ThreadPoolExecutor(READERS, thread_name_prefix="database-reader")

    def close(self) -> None:
        for threads in (self._writers, self._readers):
            if threads is not None:
                threads.shutdown()
        for engine in (self._engine, self._snapshots, self._own):
            engine.dispose()

    def submit(self, transaction: Callable[[Connection], T]) -> Future[T]:
        assert self._writers is not None, "Database.start() comes first"
        return self._writers.submit(_patiently, self._write, transaction)

    def ask(self, query: Callable[[Connection], T]) -> Future[T]:
        assert self._readers is not None, "Database.start() comes first"
        return self._readers.submit(_patiently, self._read, query)

    def _write(self, transaction: Callable[[Connection], T]) -> T:
        with self._engine.connect() as connection:
            begun = connection.begin()
            value = transaction(connection)
            try:
                begun.commit()
            except DBAPIError as error:
                if _state(error) in _CONFLICT_STATES or not _is_lost(error):
                    raise
                # It may have happened or not: only the caller can know what trying it again would do.
                raise DatabaseUnavailable from error
            return value

    def _read(self, query: Callable[[Connection], T]) -> T:
        with self._snapshots.connect() as connection:
            value = query(connection)
            connection.commit()  # after a rollback the driver would forget all statements that it has prepared
            return value

    def ping(self) -> None:
        with suppress(DBAPIError):  # one that was cut while it lay in the pool says nothing, but clears the pool
            return self._say_hello()
        return self._say_hello()

    def _say_hello(self) -> None:
        with self._engine.connect() as connection:
            connection.exec_driver_sql("SELECT 1")

    @contextmanager
    def transaction(self) -> Iterator[Connection]:
        with self._engine.begin() as connection:
            yield connection

    @contextmanager
    def snapshot(self) -> Iterator[Connection]:
        with self._snapshots.connect() as connection:
            yield connection

    @contextmanager
    def alone(self, name: str) -> Iterator[bool]:
        with self._own.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            lock = {"name": f"fluxhouse:{name}"}
            mine = bool(connection.execute(text("SELECT pg_try_advisory_lock(hashtext(:name))"), lock).scalar_one())
            try:
                yield mine
            finally:
                # The server frees what a closed connection held, but not before it has noticed.
                with suppress(DBAPIError):
                    connection.execute(text("SELECT pg_advisory_unlock_all()"))

    def notifications(self, channel: str, seconds: float) -> Iterator[str | None]:
        """What is notified on the channel from now on, and None at first and whenever nothing came for that long.

        Raises `DatabaseUnavailable` when the connection is lost; what is notified meanwhile is lost too.
        """
        try:
            with self._own.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
                connection.execute(text(f'LISTEN "{channel}"'))
                driver = cast("Any", connection.connection.driver_connection)
                yield None
                while True:
                    for notify in driver.notifies(timeout=seconds):
                        yield notify.payload
                    connection.exec_driver_sql("SELECT 1")  # says that the connection still stands
                    yield None
        except (DBAPIError, self._own.dialect.loaded_dbapi.Error) as error:
            raise DatabaseUnavailable from error


def _patiently(attempt: Callable[[Callable[[Connection], T]], T], work: Callable[[Connection], T]) -> T:
    """Run `work`, again where it was undone by a conflict, a busy database or a lost connection, within bounds."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    conflicts = 0
    while True:
        try:
            return attempt(work)
        except DBAPIError as error:
            if _state(error) in _CONFLICT_STATES:
                conflicts += 1
                if conflicts > CONFLICTS:
                    raise DatabaseUnavailable from error
            elif not _is_lost(error) and _state(error) not in _BUSY_STATES:
                raise
            elif time.monotonic() > deadline or _state(error) in _BUSY_STATES:
                raise DatabaseUnavailable from error
            time.sleep(random.uniform(0.0, 0.01) if conflicts else random.uniform(0.05, 0.25))


def _state(error: DBAPIError) -> str | None:
    return getattr(error.orig, "sqlstate", None)


def _is_lost(error: DBAPIError) -> bool:
    """The connection is gone or could not be had; before a commit that means that nothing happened."""
    without_answer = isinstance(error, OperationalError | InterfaceError) and _state(error) is None
    return error.connection_invalidated or without_answer or _state(error) in _STARTING_STATES

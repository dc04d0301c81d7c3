"""A database file with one plain table, its threads running, and processes of our own beside it."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from fluxhouse.database.database import Database


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path}/house.db"


@pytest.fixture
def database(url: str) -> Iterator[Database]:
    """Started, with a table `notes` whose rows may name another as `reply_to`."""
    opened = Database(url)
    with opened.transaction() as connection:
        connection.exec_driver_sql(
            "CREATE TABLE notes (id INTEGER PRIMARY KEY, text TEXT UNIQUE, reply_to INTEGER REFERENCES notes)"
        )
    opened.start()
    yield opened
    opened.close()


@pytest.fixture
def process(url: str) -> Iterator[Callable[[str], subprocess.Popen[str]]]:
    """Starts Python processes: `process(program)` gives it the database's URL as `sys.argv[1]`."""
    started: list[subprocess.Popen[str]] = []

    def start(program: str) -> subprocess.Popen[str]:
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
        started.append(subprocess.Popen([sys.executable, "-c", program, url], **pipes))
        return started[-1]

    yield start
    for each in started:
        each.kill()
        each.communicate()

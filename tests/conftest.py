"""What every room's tests need: an environment of their own and quiet, repeatable hypothesis runs."""

from __future__ import annotations

import asyncio
import os
import socket
import threading
from collections.abc import Callable, Coroutine, Iterator, Mapping
from contextlib import ExitStack
from datetime import UTC, datetime
from itertools import count
from pathlib import Path
from typing import Any, TypeVar

import pytest
import uvicorn
from hypothesis import HealthCheck, settings
from sqlalchemy import Connection, make_url

from fluxhouse.assembly import assemble
from fluxhouse.cli.bench.postgres import OwnPostgres, drop_database, new_database
from fluxhouse.core import accounts, keys, ledger
from fluxhouse.core.keys import Limits
from fluxhouse.database.database import Database
from fluxhouse.generation.backend import Backend
from fluxhouse.settings import Settings

T = TypeVar("T")

settings.register_profile(
    "fluxhouse",
    deadline=None,  # A shared machine is slow at random.
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("fluxhouse")


@pytest.fixture(scope="session", autouse=True)
def no_outside_settings() -> Iterator[None]:
    """Nothing the developer has set reaches the tests or the processes they start, and no hub is asked."""
    with pytest.MonkeyPatch.context() as patch:
        for name in os.environ:
            if name.startswith("FLUXHOUSE_") and not name.startswith("FLUXHOUSE_TEST_"):
                patch.delenv(name)
        patch.setenv("HF_HUB_OFFLINE", "1")
        yield


@pytest.fixture(scope="session")
def postgres() -> Iterator[str]:
    """The address of a PostgreSQL server that tests may make databases on: the developer's, or one of our own."""
    if given := os.environ.get("FLUXHOUSE_TEST_POSTGRES_URL"):
        yield given
        return
    own = OwnPostgres(durable=False)
    yield own.url
    own.close()


@pytest.fixture(scope="session")
def postgres_template(postgres: str) -> Iterator[str]:
    """The name of a migrated PostgreSQL database, to be copied."""
    url = new_database(postgres)
    database = Database(url)
    database.migrate()
    database.close()
    yield str(make_url(url).database)
    drop_database(url)


@pytest.fixture
def new_postgres(postgres: str, postgres_template: str) -> Iterator[Callable[[], str]]:
    """Makes migrated PostgreSQL databases; dropped after the test."""
    made: list[str] = []

    def make() -> str:
        made.append(new_database(postgres, postgres_template))
        return made[-1]

    yield make
    if "FLUXHOUSE_TEST_POSTGRES_URL" in os.environ:  # our own server ends with all it has
        for url in made:
            drop_database(url)


class Installation:
    """`fluxhouse serve` without its command line: one platform and uvicorn, on an event loop in a thread."""

    def __init__(self, folder: Path, backends: Mapping[str, Backend], **options: Any) -> None:
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self.listener.getsockname()[1]}"
        self.platform = assemble(Settings(data=folder, public_url=self.url, **options), backends)
        config = uvicorn.Config(self.platform.app, log_level="error", ws="none", lifespan="off")
        self.http = uvicorn.Server(config)
        self.loop = asyncio.new_event_loop()
        self.thread = threading.Thread(target=self._serve)
        self.names = count()

    def start(self) -> None:
        self.thread.start()
        self.do(self.platform.start())

    def stop(self) -> None:
        self.http.should_exit = True
        self.thread.join(30)

    def do(self, work: Coroutine[Any, Any, T]) -> T:
        """Do something on the platform's own loop."""
        return asyncio.run_coroutine_threadsafe(work, self.loop).result(30)

    def new_key(self, credit: int = 100, limits: Limits | None = None) -> str:
        """The key of a new account with so many credits."""
        name, pepper = f"account {next(self.names)}", self.platform.door.options.pepper

        def made(connection: Connection) -> str:
            now = datetime.now(UTC)
            account = accounts.create(connection, name, now)
            if credit:
                ledger.grant(connection, account.id, credit * 1_000_000, now, None)
            return keys.issue(connection, account.id, pepper, now, limits=limits)[1]

        return self.do(self.platform.database.write(made))

    def _serve(self) -> None:
        with asyncio.Runner(loop_factory=lambda: self.loop) as runner:
            runner.run(self.http.serve([self.listener]))
            runner.run(self.platform.stop())


@pytest.fixture(scope="session")
def install(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., Installation]]:
    """Installs a platform behind a real HTTP port, with backends by model id and settings; stopped at the end."""
    with ExitStack() as closing:

        def installed(backends: Mapping[str, Backend], **options: Any) -> Installation:
            running = Installation(tmp_path_factory.mktemp("installation"), backends, **options)
            running.start()
            closing.callback(running.stop)
            return running

        yield installed

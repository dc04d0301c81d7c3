"""API processes under measurement: one installation, one or more servers on it, and the calls that are made to them."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from fluxhouse.assembly import pepper
from fluxhouse.cli.bench.load import Connection, Load, drive, request_bytes
from fluxhouse.cli.bench.processor import Stopwatch
from fluxhouse.cli.bench.subject import Subject
from fluxhouse.core import accounts, keys
from fluxhouse.core.ids import new_id
from fluxhouse.core.keys import Limits
from fluxhouse.core.topup import MOST_MICRO, topup
from fluxhouse.database.database import Database
from fluxhouse.generation.clock import SystemClock

RUN = "/api/v1/models/flux-dev/run"
INSTANT = {"FLUXHOUSE_MODELS": "*=testcard"}  # a backend that takes no time: the platform alone is measured
_SECRET = "a secret of the bench"
_END_SECONDS = 600.0
_UNLIMITED = Limits(rate_per_minute=100_000_000)


@dataclass(frozen=True, slots=True)
class Installation:
    """A folder of its own, and the PostgreSQL database at that address or an SQLite file in the folder.

    `database_pid` is the server of that database where it is one of our own.
    """

    folder: Path
    database_url: str | None = None
    database_pid: int | None = None

    def database(self) -> Database:
        """Its database, for reading beside the servers."""
        return Database(self.database_url or f"sqlite:///{(self._home(0) / 'fluxhouse.db').resolve()}")

    @contextmanager
    def serving(self, *arguments: str, processes: int = 1) -> Iterator[Servers]:
        """So many servers on it, started with those arguments; they end with the block."""
        with ExitStack() as closing:
            subjects = []
            for number in range(processes):
                self._home(number).mkdir(exist_ok=True)
                subjects.append(Subject(self._home(number), arguments, self._environment()))
                subjects[-1].start()
                closing.callback(subjects[-1].stop)
            for subject in subjects:
                subject.wait_until("/readyz")
            yield Servers(subjects, self.database_pid)

    def open_accounts(self, count: int) -> list[str]:
        """Keys of so many new accounts, which may submit as often as a measurement likes."""
        database, clock = self.database(), SystemClock()
        texts = []
        with database.transaction() as connection:
            for _ in range(count):
                account = accounts.create(connection, f"bench {new_id()}", clock.now())
                topup(connection, account.name, MOST_MICRO, clock.now())
                texts.append(
                    keys.issue(connection, account.id, pepper(_SECRET.encode()), clock.now(), "", _UNLIMITED)[1]
                )
        database.close()
        return texts

    def _home(self, number: int) -> Path:
        return self.folder / f"server-{number}"

    def _environment(self) -> dict[str, str]:
        alone = INSTANT | {"FLUXHOUSE_SECRET": _SECRET}
        if self.database_url is None:
            return alone
        shared = {"FLUXHOUSE_STORAGE_URL": str(self.folder.resolve() / "files")}
        return alone | shared | {"FLUXHOUSE_DATABASE_URL": self.database_url}


class Servers:
    """The running servers of an installation."""

    def __init__(self, subjects: list[Subject], database_pid: int | None) -> None:
        self._subjects = subjects
        self._database_pid = database_pid
        self._host = f"127.0.0.1:{subjects[0].port}"

    def stopwatch(self) -> Stopwatch:
        """Counts the processor time of the servers, of their database and of this process from now on."""
        return Stopwatch([subject.pid for subject in self._subjects], self._database_pid)

    def drive(self, clients: int, calls: int, request: Callable[[int], bytes], expected: int) -> Load:
        """What so many clients measure, spread over the servers."""
        watch = self.stopwatch()
        load = asyncio.run(drive([subject.port for subject in self._subjects], clients, calls, request, expected))
        return replace(load, spent=watch.spent())

    def submit_bytes(self, key: str, number: int) -> bytes:
        """A request for the picture of that number."""
        body = json.dumps({"prompt": f"picture {number}", "width": 256, "height": 256, "seed": number})
        return request_bytes("POST", RUN, self._host, key, body.encode())

    def get_bytes(self, key: str, path: str) -> bytes:
        """A request to read."""
        return request_bytes("GET", path, self._host, key)

    def connect(self) -> Connection:
        """A connection to the first server."""
        return Connection("127.0.0.1", self._subjects[0].port)

    async def submit(self, key: str, number: int) -> str:
        """Submit one picture; the job's id. Raises RuntimeError where it is refused."""
        connection = self.connect()
        status, body = await connection.call(self.submit_bytes(key, number))
        connection.close()
        if status != 202:
            raise RuntimeError(body.decode())
        return str(json.loads(body)["jobId"])

    async def all_ended(self, key: str) -> None:
        """Return when no job of the key's account holds credits any more: each has been made and settled."""
        connection = self.connect()
        deadline = time.monotonic() + _END_SECONDS
        while True:
            _, body = await connection.call(self.get_bytes(key, "/api/v1/credits"))
            if json.loads(body)["held"] == 0:
                break
            if time.monotonic() > deadline:
                raise TimeoutError("the jobs did not end")
            await asyncio.sleep(0.02)
        connection.close()

"""API processes under measurement: one installation, one or more servers on it, and the calls that are made to them."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from fluxhouse.cli.bench.load import Connection, Load, drive, request_bytes
from fluxhouse.cli.bench.subject import Subject
from fluxhouse.database.database import Database

RUN = "/api/v1/models/flux-dev/run"
INSTANT = {"FLUXHOUSE_MODELS": "*=testcard"}  # a backend that takes no time: the platform alone is measured
_SECRET = "a secret of the bench"
_END_SECONDS = 600.0


@dataclass(frozen=True, slots=True)
class Installation:
    """A folder of its own, and the PostgreSQL database at that address or an SQLite file in the folder."""

    folder: Path
    database_url: str | None = None

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
            yield Servers(subjects)

    def _home(self, number: int) -> Path:
        return self.folder / f"server-{number}"

    def _environment(self) -> dict[str, str]:
        if self.database_url is None:
            return dict(INSTANT)
        shared = {"FLUXHOUSE_STORAGE_URL": str(self.folder.resolve() / "files"), "FLUXHOUSE_SECRET": _SECRET}
        return INSTANT | shared | {"FLUXHOUSE_DATABASE_URL": self.database_url}


class Servers:
    """The running servers of an installation."""

    def __init__(self, subjects: list[Subject]) -> None:
        self._subjects = subjects
        self._host = f"127.0.0.1:{subjects[0].port}"

    def open_account(self, name: str) -> str:
        """The text of a key that may submit as often as a measurement likes."""
        return self._subjects[0].open_account(name, 10_000_000, rate=100_000_000)

    def drive(self, clients: int, calls: int, request: Callable[[int], bytes], expected: int) -> Load:
        """What so many clients measure, spread over the servers."""
        return asyncio.run(drive([subject.port for subject in self._subjects], clients, calls, request, expected))

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

"""A fleet under attack: two API processes, three workers with folders of their own, PostgreSQL and an S3 postgres."""

from __future__ import annotations

import os
import secrets
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path

import httpx2

from fluxhouse.cli.bench.postgres import OwnPostgres, drop_database, new_database
from fluxhouse.cli.bench.subject import READY_SECONDS, Subject, free_port

APIS, WORKERS = 2, 3
BUCKET = "fluxhouse-cluster"
_AWS = {"AWS_ACCESS_KEY_ID": "cluster", "AWS_SECRET_ACCESS_KEY": "cluster"}
_PACED = {"FLUXHOUSE_MODELS": "*=testcard:0.1"}  # pictures that cost no device, but time enough to be interrupted


class Cluster:
    """The whole fleet on one machine, each process with a data folder of its own.

    `postgres` is None where the database is somebody else's, which then is no victim.
    """

    def __init__(self, folder: Path, database_url: str, storage_url: str, postgres: OwnPostgres | None) -> None:
        self._postgres = postgres
        environment = {
            "FLUXHOUSE_DATABASE_URL": database_url,
            "FLUXHOUSE_STORAGE_URL": storage_url,
            "FLUXHOUSE_SECRET": secrets.token_hex(16),
        }
        environment |= _AWS | _PACED
        self._processes: dict[str, Subject] = {}
        for number in range(APIS):
            self._processes[f"api {number}"] = _process(folder / f"api-{number}", environment, "serve")
        for number in range(WORKERS):
            self._processes[f"worker {number}"] = _process(folder / f"worker-{number}", environment, "worker")
        self.victims = [*self._processes, *(["database", "database"] if postgres is not None else [])]

    @property
    def urls(self) -> list[str]:
        """Where callers find it."""
        return [process.url for name, process in self._processes.items() if name.startswith("api")]

    def start(self) -> None:
        """Start everything; returns when all of it is ready."""
        for process in self._processes.values():
            process.start()
        for process in self._processes.values():
            process.wait_until("/readyz")

    def strike(self, victim: str) -> None:
        """Kill -9 one process and start it again, or crash the database and let it recover."""
        if victim == "database":
            assert self._postgres is not None, "a victim only where it is ours"
            self._postgres.crash()
            time.sleep(1)
            self._postgres.start()
        else:
            self._processes[victim].strike("server")

    def command(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run another `fluxhouse` command on the same installation."""
        return self._processes["api 0"].command(*arguments)

    def open_account(self, name: str, credits: int, rate: int) -> str:
        """A new account with that many credits; the text of a key."""
        return self._processes["api 0"].open_account(name, credits, rate)

    def close(self) -> None:
        """Kill what runs."""
        for process in self._processes.values():
            process.close()


@contextmanager
def standing(folder: Path, database_url: str | None = None) -> Iterator[Cluster]:
    """A started cluster; on a new database of the server at that address, or on a server of its own."""
    with ExitStack() as closing:
        postgres = None
        if database_url is None:
            postgres = OwnPostgres()
            closing.callback(postgres.close)
            url = new_database(postgres.url)
        else:
            url = new_database(database_url)
            closing.callback(drop_database, url)
        cluster = Cluster(folder, url, closing.enter_context(_bucket(folder)), postgres)
        closing.callback(cluster.close)
        cluster.start()
        yield cluster


@contextmanager
def _bucket(folder: Path) -> Iterator[str]:
    """The address of an empty bucket on an S3 server of our own."""
    port = free_port()
    endpoint = f"http://127.0.0.1:{port}"
    with (folder / "s3.log").open("wb") as log:
        command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
        stand_in = subprocess.Popen(command, stdout=log, stderr=log, env=os.environ | _AWS)
    try:
        deadline = time.monotonic() + READY_SECONDS
        while True:
            try:
                httpx2.put(f"{endpoint}/{BUCKET}", timeout=5).raise_for_status()
                break
            except httpx2.TransportError:
                if time.monotonic() > deadline or stand_in.poll() is not None:
                    raise RuntimeError("needs the extra dev (moto's server)") from None
                time.sleep(0.1)
        yield f"s3://{BUCKET}?endpoint={endpoint}&region=us-east-1"
    finally:
        stand_in.kill()
        stand_in.wait()


def _process(folder: Path, environment: Mapping[str, str], role: str) -> Subject:
    folder.mkdir()
    return Subject(folder, ("--no-worker",) if role == "serve" else (), environment, role)

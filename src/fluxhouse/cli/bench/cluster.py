"""A fleet under attack: two API processes, three workers with folders of their own, PostgreSQL and an S3 server."""

from __future__ import annotations

import os
import random
import secrets
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx2
from sqlalchemy import URL, make_url

from fluxhouse.cli.bench.links import Address, Cut, Link, Network
from fluxhouse.cli.bench.postgres import OwnPostgres, drop_database, new_database
from fluxhouse.cli.bench.receiver import ALLOWED
from fluxhouse.cli.bench.subject import READY_SECONDS, Subject, free_port

APIS, WORKERS = 2, 3
CUT_SECONDS = (1.0, 8.0)
ARRIVAL_SECONDS = 6.0  # as long as most faults take
BUCKET = "fluxhouse-cluster"
_AWS = {"AWS_ACCESS_KEY_ID": "cluster", "AWS_SECRET_ACCESS_KEY": "cluster"}
_PACED = {"FLUXHOUSE_MODELS": "*=testcard:0.1"}  # pictures that cost no device, but time enough to be interrupted


@dataclass(frozen=True, slots=True)
class Shared:
    """What all processes need and reach over the network; `postgres` is None where the database is somebody else's."""

    database_url: str
    s3_port: int
    postgres: OwnPostgres | None


class Cluster:
    """The whole fleet on one machine, each process with a data folder and with network links of its own.

    A database of somebody else's is no victim, but the links to it are.
    """

    def __init__(self, folder: Path, shared: Shared, network: Network, seed: int) -> None:
        self._postgres = shared.postgres
        self._chance = random.Random(seed)
        self._processes: dict[str, Subject] = {}
        self._links: dict[str, Link] = {}
        names = [f"api {number}" for number in range(APIS)] + [f"worker {number}" for number in range(WORKERS)]
        environment = _AWS | _PACED | {"FLUXHOUSE_SECRET": secrets.token_hex(16), "FLUXHOUSE_EGRESS_ALLOW": ALLOWED}
        for name in names:
            to_database = network.link(_address(make_url(shared.database_url)))
            to_bucket = network.link(("127.0.0.1", shared.s3_port))
            self._links |= {f"network {name} - database": to_database, f"network {name} - bucket": to_bucket}
            addresses = {
                "FLUXHOUSE_DATABASE_URL": _through(to_database, make_url(shared.database_url)),
                "FLUXHOUSE_STORAGE_URL": f"s3://{BUCKET}?endpoint={_local(to_bucket.port)}&region=us-east-1",
            }
            self._processes[name] = _process(folder / name.replace(" ", "-"), environment | addresses)
        databases = [] if self._postgres is None else ["database", "database"]
        self.victims = [*names, *databases, *self._links]

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
        """Kill -9 a process and start it again, crash the database and let it recover, or cut a link for 1 to 8 s."""
        if victim in self._links:
            self._links[victim].cut(self._chance.choice(list(Cut)))
            time.sleep(self._chance.uniform(*CUT_SECONDS))
            self._links[victim].heal()
        elif victim == "database":
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
def standing(folder: Path, database_url: str | None = None, seed: int = 1) -> Iterator[Cluster]:
    """A started cluster; on a new database of the server at that address, or on a server of its own.

    `seed` decides how links are cut and for how long.
    """
    with ExitStack() as closing:
        postgres = None
        if database_url is None:
            postgres = OwnPostgres()
            closing.callback(postgres.close)
            url = new_database(postgres.url)
        else:
            url = new_database(database_url)
            closing.callback(drop_database, url)
        shared = Shared(url, closing.enter_context(_bucket(folder)), postgres)
        network = Network()
        closing.callback(network.close)
        cluster = Cluster(folder, shared, network, seed)
        closing.callback(cluster.close)
        cluster.start()
        yield cluster


@contextmanager
def _bucket(folder: Path) -> Iterator[int]:
    """The port of an S3 server of our own that has an empty bucket."""
    port = free_port()
    with (folder / "s3.log").open("wb") as log:
        command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
        stand_in = subprocess.Popen(command, stdout=log, stderr=log, env=os.environ | _AWS)
    try:
        deadline = time.monotonic() + READY_SECONDS
        while True:
            try:
                httpx2.put(f"{_local(port)}/{BUCKET}", timeout=5).raise_for_status()
                break
            except httpx2.TransportError:
                if time.monotonic() > deadline or stand_in.poll() is not None:
                    raise RuntimeError("needs the extra dev (moto's server)") from None
                time.sleep(0.1)
        yield port
    finally:
        stand_in.kill()
        stand_in.wait()


def _process(folder: Path, environment: Mapping[str, str]) -> Subject:
    folder.mkdir()
    if folder.name.startswith("api"):
        return Subject(folder, ("--no-worker",), environment, "serve")
    return Subject(folder, (), environment, "worker")


def _address(url: URL) -> Address:
    """Where the PostgreSQL server of a URL listens: host and port, or the UNIX socket in the folder of `host`."""
    port, folder = url.port or 5432, url.query.get("host")
    return (url.host or "127.0.0.1", port) if folder is None else f"{folder}/.s.PGSQL.{port}"


def _through(link: Link, url: URL) -> str:
    """The same database at the near end of a link."""
    near = url.difference_update_query(["host"]).set(host="127.0.0.1", port=link.port)
    return near.render_as_string(hide_password=False)


def _local(port: int) -> str:
    return f"http://127.0.0.1:{port}"

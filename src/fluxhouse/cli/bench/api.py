"""What the API costs: durable submits and polls per second, and how soon an idle worker has claimed a job."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import select

from fluxhouse.cli.bench.load import Connection, Load, drive, request_bytes
from fluxhouse.cli.bench.subject import Subject
from fluxhouse.core.jobs import jobs
from fluxhouse.database.database import Database

CLIENTS = (1, 8, 32)
RUN = "/api/v1/models/flux-dev/run"
INSTANT = {"FLUXHOUSE_MODELS": "*=testcard"}  # a backend that takes no time: the platform alone is measured


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table: what was called, and how it went."""

    what: str
    load: Load


def environment(folder: Path, database_url: str | None) -> dict[str, str]:
    """The settings of a server under measurement: its own SQLite file, or the PostgreSQL database at that address."""
    if database_url is None:
        return dict(INSTANT)
    shared = {"FLUXHOUSE_STORAGE_URL": str(folder.resolve() / "files"), "FLUXHOUSE_SECRET": "a secret of the bench"}
    return INSTANT | shared | {"FLUXHOUSE_DATABASE_URL": database_url}


def submits(folder: Path, calls: int, database_url: str | None = None) -> Iterator[Row]:
    """Durable submits with no worker beside them, then polls of one job, by number of clients."""
    subject, key = _serve(folder, database_url, "--no-worker")
    try:
        job_id = asyncio.run(_submit_one(subject, key))
        poll = request_bytes("GET", f"/api/v1/jobs/{job_id}", f"127.0.0.1:{subject.port}", key)
        for clients in CLIENTS:
            load = drive(
                "127.0.0.1", subject.port, clients, calls, lambda number: _run_request(subject, key, number), 202
            )
            yield Row("submit", asyncio.run(load))
        for clients in CLIENTS:
            load = drive("127.0.0.1", subject.port, clients, calls, lambda _: poll, 200)
            yield Row("poll", asyncio.run(load))
    finally:
        subject.stop()


def claims(folder: Path, calls: int, database_url: str | None = None) -> Row:
    """From the submit's arrival to the worker's claim, one at a time on an idle server, by the job's own row."""
    subject, key = _serve(folder, database_url)
    try:
        started = time.perf_counter()
        asyncio.run(_one_by_one(subject, key, calls))
        seconds = time.perf_counter() - started
    finally:
        subject.stop()
    database = Database(database_url or f"sqlite:///{(folder / 'fluxhouse.db').resolve()}")
    with database.snapshot() as connection:
        rows = connection.execute(select(jobs.c.created_at, jobs.c.started_at).where(jobs.c.started_at.is_not(None)))
        waits = [(row.started_at - row.created_at).total_seconds() for row in rows]
    database.close()
    return Row("submit to claimed, idle", Load(1, seconds, waits, refused=calls - len(waits)))


def _serve(folder: Path, database_url: str | None, *arguments: str) -> tuple[Subject, str]:
    subject = Subject(folder, arguments, environment(folder, database_url))
    subject.start()
    subject.wait_until("/readyz")
    return subject, subject.open_account("bench", 10_000_000, rate=100_000_000)


def _run_request(subject: Subject, key: str, number: int) -> bytes:
    body = json.dumps({"prompt": f"picture {number}", "width": 256, "height": 256, "seed": number})
    return request_bytes("POST", RUN, f"127.0.0.1:{subject.port}", key, body.encode())


async def _submit_one(subject: Subject, key: str) -> str:
    connection = Connection("127.0.0.1", subject.port)
    status, body = await connection.call(_run_request(subject, key, 0))
    connection.close()
    if status != 202:
        raise RuntimeError(body.decode())
    return str(json.loads(body)["jobId"])


async def _one_by_one(subject: Subject, key: str, calls: int) -> None:
    connection = Connection("127.0.0.1", subject.port)
    for number in range(calls):
        await connection.call(_run_request(subject, key, number))
        await asyncio.sleep(0.05)  # the job is made meanwhile: the next submit finds the worker idle
    connection.close()

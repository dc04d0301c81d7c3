"""What the API costs: submits, polls and whole jobs per second, and how soon an idle worker has claimed a job."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from dataclasses import dataclass

from sqlalchemy import select

from fluxhouse.cli.bench.load import Load
from fluxhouse.cli.bench.serving import Installation, Servers
from fluxhouse.core.jobs import jobs

CLIENTS = (1, 8, 32)
_BUSY_CLIENTS = 8  # enough that a submit always waits for the platform, not for its caller
_PAUSE_SECONDS = 0.05  # the job is made meanwhile: the next submit finds the worker idle


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table: what was called, on how many API processes, and how it went."""

    what: str
    load: Load
    processes: int = 1


def submits(installation: Installation, calls: int, processes: int = 1) -> Iterator[Row]:
    """Durable submits with no worker beside them, then polls of one job, by number of clients."""
    with installation.serving("--no-worker", processes=processes) as servers:
        key = servers.open_account("bench")
        poll = servers.get_bytes(key, f"/api/v1/jobs/{asyncio.run(servers.submit(key, 0))}")
        for clients in CLIENTS:
            load = servers.drive(clients, calls, lambda number: servers.submit_bytes(key, number), 202)
            yield Row("submit", load, processes)
        for clients in CLIENTS:
            yield Row("poll", servers.drive(clients, calls, lambda _: poll, 200), processes)


def whole_jobs(installation: Installation, calls: int, processes: int = 1) -> Row:
    """From the first submit to the end of the last job, each server with its worker; latencies are the submits'."""
    with installation.serving(processes=processes) as servers:
        key = servers.open_account("bench")
        started = time.perf_counter()
        load = servers.drive(_BUSY_CLIENTS, calls, lambda number: servers.submit_bytes(key, number), 202)
        asyncio.run(servers.all_ended(key))
        seconds = time.perf_counter() - started
    return Row("job, submit to ended", Load(load.clients, seconds, load.latencies, load.refused), processes)


def claims(installation: Installation, calls: int) -> Row:
    """From the submit's arrival to the worker's claim, one at a time on an idle server, by the job's own row."""
    with installation.serving() as servers:
        key = servers.open_account("bench")
        started = time.perf_counter()
        asyncio.run(_one_by_one(servers, key, calls))
        seconds = time.perf_counter() - started
    waits = claim_waits(installation)
    return Row("submit to claimed, idle", Load(1, seconds, waits, refused=calls - len(waits)))


def claim_waits(installation: Installation) -> list[float]:
    """How long each job waited for its claim, the newest first, in seconds."""
    claimed = select(jobs.c.created_at, jobs.c.started_at).where(jobs.c.started_at.is_not(None))
    database = installation.database()
    with database.snapshot() as connection:
        rows = connection.execute(claimed.order_by(jobs.c.created_at.desc())).all()
    database.close()
    return [(row.started_at - row.created_at).total_seconds() for row in rows]


async def _one_by_one(servers: Servers, key: str, calls: int) -> None:
    connection = servers.connect()
    for number in range(calls):
        await connection.call(servers.submit_bytes(key, number))
        await asyncio.sleep(_PAUSE_SECONDS)
    connection.close()

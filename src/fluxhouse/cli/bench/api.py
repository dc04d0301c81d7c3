"""What the API costs: submits, polls and whole jobs per second, and how soon an idle worker has claimed a job."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

from sqlalchemy import select

from fluxhouse.cli.bench.load import Load
from fluxhouse.cli.bench.serving import Installation, Servers
from fluxhouse.core.jobs import jobs

CLIENTS = (1, 8, 32)
_WARM_UP = 60  # calls a process that are not counted: connections are opened, and statements prepared, by use
_BUSY_CLIENTS = 8  # enough that a submit always waits for the platform, not for its caller
_PAUSE_SECONDS = 0.05  # the job is made meanwhile: the next submit finds the worker idle


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table: what was called, on how many API processes, and how it went."""

    what: str
    load: Load
    processes: int = 1


def submits(installation: Installation, calls: int, processes: int = 1) -> Iterator[Row]:
    """Durable submits with no worker beside them, each client on its own account, then polls; by number of clients."""
    with installation.serving("--no-worker", processes=processes) as servers:
        keys = installation.open_accounts(max(CLIENTS))
        poll = servers.get_bytes(keys[0], f"/api/v1/jobs/{asyncio.run(servers.submit(keys[0], 0))}")
        servers.drive(_BUSY_CLIENTS, _WARM_UP * processes, _in_turn(servers, keys), 202)
        for clients in CLIENTS:
            yield Row("submit", servers.drive(clients, calls, _in_turn(servers, keys[:clients]), 202), processes)
        for clients in CLIENTS:
            yield Row("poll", servers.drive(clients, calls, lambda _: poll, 200), processes)


def whole_jobs(installation: Installation, calls: int, processes: int = 1) -> Row:
    """From the first submit to the end of the last job, each server with its worker; latencies are the submits'."""
    with installation.serving(processes=processes) as servers:
        keys = installation.open_accounts(_BUSY_CLIENTS)
        servers.drive(_BUSY_CLIENTS, _WARM_UP * processes, _in_turn(servers, keys), 202)
        _wait_for_all(servers, keys)
        started, watch = time.perf_counter(), servers.stopwatch()
        load = servers.drive(_BUSY_CLIENTS, calls, _in_turn(servers, keys), 202)
        _wait_for_all(servers, keys)
        whole = replace(load, seconds=time.perf_counter() - started, spent=watch.spent())
    return Row("job, submit to ended", whole, processes)


def claims(installation: Installation, calls: int) -> Row:
    """From the submit's arrival to the worker's claim, one at a time on an idle server, by the job's own row."""
    with installation.serving() as servers:
        (key,) = installation.open_accounts(1)
        asyncio.run(_one_by_one(servers, key, _WARM_UP))
        started, watch = time.perf_counter(), servers.stopwatch()
        asyncio.run(_one_by_one(servers, key, calls))
        seconds, spent = time.perf_counter() - started, watch.spent()
    waits = claim_waits(installation)
    return Row("submit to claimed, idle", Load(1, seconds, waits[:calls], _WARM_UP + calls - len(waits), spent))


def _wait_for_all(servers: Servers, keys: list[str]) -> None:
    for key in keys:
        asyncio.run(servers.all_ended(key))


def _in_turn(servers: Servers, keys: list[str]) -> Callable[[int], bytes]:
    """Submits of these accounts in turn: those of one account are serial by design."""
    return lambda number: servers.submit_bytes(keys[number % len(keys)], number)


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

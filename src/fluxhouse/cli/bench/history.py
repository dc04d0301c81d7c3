"""What a long history costs: installations with many ended jobs beside one that is new, asked in turn."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field

from sqlalchemy import select

from fluxhouse.cli.bench.api import claim_waits
from fluxhouse.cli.bench.load import Load
from fluxhouse.cli.bench.past import fill
from fluxhouse.cli.bench.serving import Installation, Servers
from fluxhouse.core.jobs import jobs

_PAUSE_SECONDS = 0.05  # the job is made meanwhile: no call meets another one's work
_WARM_UP = 10  # calls that are not counted
_PREFIX = "job_"  # how the native API spells an id
_POLLED = 1000  # so many ended jobs are polled in turn


@dataclass(frozen=True, slots=True)
class Aged:
    """An installation with so many ended jobs, and how long each kind of call took there, in seconds."""

    installation: Installation
    ended: int
    key: str
    polled: tuple[str, ...]
    filled_seconds: float
    latencies: dict[str, list[float]] = field(default_factory=lambda: {"submit": [], "poll": [], "list": []})

    def p50_ms(self, what: str) -> float:
        return Load(1, 1.0, self.latencies[what], 0).percentile_ms(50)


def compare(installations: Sequence[tuple[Installation, int]], calls: int) -> Iterator[Aged]:
    """Fill each installation with so many ended jobs, then call all of them in turn, as often as asked.

    In turn, so that whatever else the machine does meanwhile meets all of them alike.
    """
    aged = [_aged(installation, ended) for installation, ended in installations]
    with ExitStack() as closing:
        servers = [closing.enter_context(one.installation.serving()) for one in aged]
        asyncio.run(_in_turn(list(zip(aged, servers, strict=True)), calls))
    for one in aged:
        one.latencies["claim"] = claim_waits(one.installation)[:calls]
        yield one


def _aged(installation: Installation, ended: int) -> Aged:
    with installation.serving() as servers:
        (key,) = installation.open_accounts(1)
        template = asyncio.run(servers.submit(key, 0))
        asyncio.run(servers.all_ended(key))
    database = installation.database()
    started = time.perf_counter()
    fill(database, template.removeprefix(_PREFIX), ended)
    seconds = time.perf_counter() - started
    with database.snapshot() as connection:
        polled = connection.execute(select(jobs.c.id).order_by(jobs.c.id).limit(_POLLED)).scalars().all()
    database.close()
    return Aged(installation, ended, key, tuple(polled), seconds)


async def _in_turn(all_aged: list[tuple[Aged, Servers]], calls: int) -> None:
    connections = [servers.connect() for _, servers in all_aged]
    chance = random.Random(0)
    for number in range(_WARM_UP + calls):
        for (aged, servers), connection in zip(all_aged, connections, strict=True):
            requests = {
                "submit": servers.submit_bytes(aged.key, number),
                "poll": servers.get_bytes(aged.key, f"/api/v1/jobs/{_PREFIX}{chance.choice(aged.polled)}"),
                "list": servers.get_bytes(aged.key, "/api/v1/jobs?limit=20"),
            }
            for what, request in requests.items():
                sent = time.perf_counter()
                status, body = await connection.call(request)
                if number >= _WARM_UP:
                    aged.latencies[what].append(time.perf_counter() - sent)
                if status not in (200, 202):
                    raise RuntimeError(f"{what}: {body.decode()}")
                await asyncio.sleep(_PAUSE_SECONDS)
    for connection in connections:
        connection.close()

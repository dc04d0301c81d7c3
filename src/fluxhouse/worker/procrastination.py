"""Procrastinate's workers, supervised: each entry that they fetch is taken up by ours, within the backends' rooms."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence

import procrastinate
import structlog
from psycopg import AsyncConnection

from fluxhouse.core.fleet import STALLED_AFTER, TASK

log = structlog.get_logger()

TakeUp = Callable[[str, int], Awaitable[None]]

_HEARTBEAT_SECONDS = 5.0
_POLL_SECONDS = 5.0  # a notification may be lost
_FIRST_PAUSE_SECONDS, _LONGEST_PAUSE_SECONDS = 0.1, 5.0
_CONNECTIONS = 4

# It logs two lines a job; ours say the same and more.
logging.getLogger("procrastinate").setLevel(logging.WARNING)


class Procrastination:
    """One worker of Procrastinate's for each backend, on the queues of its models, with as many entries as it has room.

    Their life ends with a lost connection, and is begun again; what was taken up meanwhile goes on, since it hangs on
    the job's row and not on the entry.
    """

    def __init__(self, conninfo: str, rooms: Sequence[tuple[int, Sequence[str]]]) -> None:
        self._conninfo = conninfo
        self._rooms = rooms
        self._taken: set[asyncio.Task[None]] = set()

    async def run(self, take_up: TakeUp) -> None:
        """Fetch until cancelled."""
        async with asyncio.TaskGroup() as group:
            for room, models in self._rooms:
                group.create_task(self._supervise(room, models, take_up))

    async def _supervise(self, room: int, models: Sequence[str], take_up: TakeUp) -> None:
        # Outlives the workers below, so that a new one starts no more than the last one left room for.
        inside = asyncio.Semaphore(room)
        pause = _FIRST_PAUSE_SECONDS
        loop = asyncio.get_running_loop()
        while True:
            began = loop.time()
            try:
                await self._fetch(room, models, inside, take_up)
            except Exception as error:
                log.warning("queue_worker_ended", reason=str(error) or type(error).__name__)
            pause = _FIRST_PAUSE_SECONDS if loop.time() - began > 60 else min(2 * pause, _LONGEST_PAUSE_SECONDS)
            await asyncio.sleep(pause)

    async def _fetch(self, room: int, models: Sequence[str], inside: asyncio.Semaphore, take_up: TakeUp) -> None:
        """The life of one worker of Procrastinate's."""
        connector = procrastinate.PsycopgConnector(
            conninfo=self._conninfo, min_size=1, max_size=_CONNECTIONS, timeout=_POLL_SECONDS, configure=_lightly
        )
        app = procrastinate.App(connector=connector)

        @app.task(name=TASK)
        async def make(job_id: str, tag: int) -> None:
            taken = asyncio.create_task(_within(inside, take_up, job_id, tag))
            self._taken.add(taken)
            taken.add_done_callback(self._taken.discard)
            # Where this worker ends, the entry ends with it and the job does not.
            await asyncio.shield(taken)

        async with app.open_async():
            await app.run_worker_async(
                queues=list(models),
                concurrency=room,
                delete_jobs="always",
                install_signal_handlers=False,
                shutdown_graceful_timeout=0,
                fetch_job_polling_interval=_POLL_SECONDS,
                update_heartbeat_interval=_HEARTBEAT_SECONDS,
                stalled_worker_timeout=STALLED_AFTER.total_seconds(),
            )


async def _lightly(connection: AsyncConnection) -> None:
    """Each call of Procrastinate's is one statement, which needs no transaction around it.

    Nor need it wait for the disk: the claim that follows a fetch does, and what a crash of the database undoes of an
    entry's end the sweep does again, since the worker that had it ends with its connections.
    """
    await connection.set_autocommit(True)
    await connection.execute("SET synchronous_commit = off")


async def _within(inside: asyncio.Semaphore, take_up: TakeUp, job_id: str, tag: int) -> None:
    async with inside:
        await take_up(job_id, tag)

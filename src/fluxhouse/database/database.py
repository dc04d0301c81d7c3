"""One database, chosen by its URL: transactions written and queries read on threads, both called from asyncio."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractContextManager, asynccontextmanager
from typing import TypeVar

from sqlalchemy import Connection, make_url

from fluxhouse.database.embedded import Embedded
from fluxhouse.database.postgres import Postgres

T = TypeVar("T")


class Database:
    """The platform's database, opened by URL: `sqlite:////absolute/path` or `postgresql://user@host/name`.

    Nouns and verbs are plain functions of a `Connection`; a whole transaction is one such function. `write` runs it on
    a writing thread and returns after the commit, so one call is one durable step; `read` runs it on a snapshot.
    """

    def __init__(self, url: str) -> None:
        parsed = make_url(url)
        backend = parsed.get_backend_name()
        if backend not in ("sqlite", "postgresql") or not parsed.database:
            raise ValueError(
                f"FLUXHOUSE_DATABASE_URL: sqlite:////path/to/file or postgresql://user@host/name, not {parsed!r}"
            )
        self._driver = Embedded(parsed) if backend == "sqlite" else Postgres(parsed)
        self._leaving: set[asyncio.Task[None]] = set()

    @property
    def shared(self) -> Postgres | None:
        """The PostgreSQL database that several processes may share; None for a file of ours alone."""
        return self._driver if isinstance(self._driver, Postgres) else None

    def migrate(self) -> None:
        """Bring the tables up to this version, one process at a time."""
        self._driver.migrate()

    def start(self) -> None:
        """Start the threads; `write` and `read` work from here on."""
        self._driver.start()

    def close(self) -> None:
        """Finish what was asked and let go of every connection."""
        self._driver.close()

    async def write(self, transaction: Callable[[Connection], T]) -> T:
        """The value of `transaction`, after it is durable; what it raises leaves nothing behind.

        It may be run more than once, each time from the start, so it must do nothing but use its connection. Raises
        `DatabaseUnavailable` where the database does not answer; then, and only then, it may have happened all the
        same. Cancelling the caller does not stop a transaction that was asked for: it commits or fails whole.
        """
        return await asyncio.shield(asyncio.wrap_future(self._driver.submit(transaction)))

    async def read(self, query: Callable[[Connection], T]) -> T:
        """The value of `query` on one consistent snapshot; raises `DatabaseUnavailable`."""
        return await asyncio.wrap_future(self._driver.ask(query))

    async def ping(self) -> None:
        """Return where the database answers at once; raises whatever keeps it from doing so."""
        await asyncio.to_thread(self._driver.ping)

    def transaction(self) -> AbstractContextManager[Connection]:
        """One transaction on the caller's own thread, for commands that run without an event loop."""
        return self._driver.transaction()

    def snapshot(self) -> AbstractContextManager[Connection]:
        """One consistent, read-only view on the caller's own thread."""
        return self._driver.snapshot()

    @asynccontextmanager
    async def alone(self, name: str) -> AsyncIterator[bool]:
        """Whether nobody else in the fleet is inside a block of that name; True until the block ends.

        Where the connection is lost meanwhile another may enter, so what is done inside must bear being done twice.
        """
        entered = self._driver.alone(name)
        entering = asyncio.create_task(asyncio.to_thread(entered.__enter__))
        try:
            yield await asyncio.shield(entering)
        finally:
            # Who is cancelled on the way in has the connection all the same; and who is cancelled again still leaves.
            leaving = asyncio.create_task(_leave(entering, entered))
            self._leaving.add(leaving)
            leaving.add_done_callback(self._leaving.discard)
            await asyncio.shield(leaving)


async def _leave(entering: asyncio.Task[bool], entered: AbstractContextManager[bool]) -> None:
    await asyncio.wait([entering])
    if entering.exception() is None:
        await asyncio.to_thread(entered.__exit__, None, None, None)

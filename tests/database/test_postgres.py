"""PostgreSQL is used as it must be: conflicts tried again, restarts outlasted, what may have happened not repeated."""

import asyncio
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import pytest
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError, OperationalError

from fluxhouse.cli.bench.postgres import OwnPostgres, new_database
from fluxhouse.database.database import Database
from fluxhouse.database.migrate import current_revision, head_revision
from fluxhouse.generation.errors import DatabaseUnavailable


@pytest.fixture
def database(postgres: str) -> Iterator[Database]:
    """Started, with a table of two numbered counters."""
    opened = Database(new_database(postgres))
    with opened.transaction() as connection:
        connection.execute(text("CREATE TABLE counters (id int PRIMARY KEY, value int NOT NULL)"))
        connection.execute(text("INSERT INTO counters VALUES (1, 0), (2, 0)"))
    opened.start()
    yield opened
    opened.close()


def add(connection, number, amount=1):
    connection.execute(
        text("UPDATE counters SET value = value + :amount WHERE id = :id"), {"amount": amount, "id": number}
    )


def value(connection, number):
    return connection.execute(text("SELECT value FROM counters WHERE id = :id"), {"id": number}).scalar_one()


async def test_transactions_run_side_by_side_and_none_is_lost(database):
    """A hundred at once on a few threads: every one counts."""
    await asyncio.gather(*(database.write(lambda c: add(c, 1)) for _ in range(100)))
    assert await database.read(lambda c: value(c, 1)) == 100


async def test_a_deadlock_is_tried_again(database):
    """Two transactions that lock the same rows crosswise both end well."""
    meet = threading.Barrier(2)
    met = []

    def crosswise(first, second):
        def transaction(connection):
            add(connection, first)
            if first not in met:
                met.append(first)
                meet.wait(10)
            add(connection, second)

        return transaction

    await asyncio.gather(database.write(crosswise(1, 2)), database.write(crosswise(2, 1)))
    assert await database.read(lambda c: (value(c, 1), value(c, 2))) == (2, 2)


async def test_what_a_transaction_raises_leaves_nothing_behind(database):
    """Also where the database itself refuses."""

    def fail(connection):
        add(connection, 1)
        connection.execute(text("INSERT INTO counters VALUES (1, 0)"))

    with pytest.raises(IntegrityError):
        await database.write(fail)
    assert await database.read(lambda c: value(c, 1)) == 0


async def test_a_read_is_one_snapshot_that_cannot_write(database):
    """Both reads of a query see the same moment, and a write is refused."""
    seen, changed = threading.Event(), threading.Event()

    def twice(connection):
        first = value(connection, 1)
        seen.set()
        changed.wait(10)
        return first, value(connection, 1)

    reading = asyncio.create_task(database.read(twice))
    await asyncio.to_thread(seen.wait, 10)
    await database.write(lambda c: add(c, 1))
    changed.set()
    assert await reading == (0, 0)
    with pytest.raises(Exception, match="read-only transaction"):
        await database.read(lambda c: add(c, 1))


async def test_what_was_prepared_for_one_read_serves_the_next(database):
    """A statement that is asked again and again is planned once for its connection, whatever else is written."""

    def prepared(connection):
        return connection.execute(text("SELECT count(*) FROM pg_prepared_statements")).scalar_one()

    for _ in range(10):
        await database.read(prepared)
        await database.write(lambda c: add(c, 1))

    assert await database.read(prepared) == 1


async def test_a_connection_that_was_cut_is_replaced(database):
    """Every idle connection killed, and one in the middle of its transaction: the next calls go through."""
    cut = text("SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE pid <> pg_backend_pid() "
               "AND datname = current_database()")  # fmt: skip
    await asyncio.gather(*(database.write(lambda c: add(c, 1)) for _ in range(16)))
    with database.transaction() as connection:
        connection.execute(cut)
    attempts = []

    def once_cut(connection):
        attempts.append(1)
        add(connection, 2)
        if len(attempts) == 1:
            connection.execute(text("SELECT pg_terminate_backend(pg_backend_pid())"))

    await database.write(once_cut)
    assert (len(attempts), await database.read(lambda c: value(c, 2))) == (2, 1)


async def test_a_lost_commit_is_not_repeated(database):
    """A connection that breaks at the commit may have committed: the caller is told, and nothing is done twice."""
    attempts = []

    def cut_at_the_commit(connection):
        attempts.append(1)
        add(connection, 1)
        with database.transaction() as other:
            pid = connection.execute(text("SELECT pg_backend_pid()")).scalar_one()
            other.execute(text("SELECT pg_terminate_backend(:pid)"), {"pid": pid})
        time.sleep(0.2)

    with pytest.raises(DatabaseUnavailable):
        await database.write(cut_at_the_commit)
    assert (len(attempts), await database.read(lambda c: value(c, 1))) == (1, 0)


async def test_one_of_many_is_alone(database):
    """Of all who ask at the same time one may enter; the next may once it has left."""
    async with database.alone("sweep") as first, database.alone("sweep") as second, database.alone("other") as other:
        assert (first, second, other) == (True, False, True)
    async with database.alone("sweep") as again:
        assert again


async def test_who_leaves_lets_the_next_one_in_at_once(database):
    """Not only when the server notices that a connection is gone."""
    held = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND database = (SELECT oid FROM pg_database"
    for _ in range(50):
        async with database.alone("sweep") as mine:
            assert mine
    with database.snapshot() as connection:
        assert connection.execute(text(f"{held} WHERE datname = current_database())")).scalar_one() == 0


async def test_who_is_cancelled_on_the_way_in_lets_the_next_one_in(database):
    """The name is free again, and no connection is left behind, however early the cancellation comes."""

    async def enter():
        async with database.alone("sweep"):
            await asyncio.sleep(10)

    for pause in (0, 0, 0.001, 0.005):
        entering = asyncio.create_task(enter())
        await asyncio.sleep(pause)
        entering.cancel()
        await asyncio.wait([entering])
        async with database.alone("sweep") as mine:
            assert mine


async def test_who_is_cancelled_again_on_the_way_out_lets_the_next_one_in(database, monkeypatch):
    """Were it only let go of by garbage collection, it would be held until then, and its connection be lost."""
    at_once = database._driver.alone

    @contextmanager
    def slowly(name):
        time.sleep(0.2)
        with at_once(name) as mine:
            yield mine

    async def enter():
        async with database.alone("sweep"):
            await asyncio.sleep(10)

    monkeypatch.setattr(database._driver, "alone", slowly)
    entering = asyncio.create_task(enter())
    for _ in range(2):
        await asyncio.sleep(0.05)
        entering.cancel()
    await asyncio.wait([entering])
    await asyncio.wait(list(database._leaving))
    async with database.alone("sweep") as mine:
        assert mine


async def test_a_restart_is_outlasted():
    """The server crashes and comes back: calls made meanwhile are answered, and a listener hears that it was deaf."""
    server = OwnPostgres()
    database = Database(server.url)
    try:
        database.start()
        await database.ping()
        heard = database.shared.notifications("word", 0.2)
        assert next(heard) is None
        await database.write(lambda c: c.execute(text("SELECT pg_notify('word', 'a')")))
        assert next(heard) == "a"
        server.crash()
        with pytest.raises(DatabaseUnavailable):
            next(heard)
        with pytest.raises(OperationalError):
            await database.ping()
        asked = [asyncio.create_task(database.write(lambda c: c.execute(text("SELECT 1")).scalar())) for _ in range(3)]
        await asyncio.sleep(0.3)
        await asyncio.to_thread(server.start)
        assert await asyncio.gather(*asked) == [1, 1, 1]
    finally:
        database.close()
        server.close()


def test_processes_that_start_together_migrate_once(postgres):
    """Five at the same moment on an empty database: all find it up to date."""
    url = new_database(postgres)

    def migrate(_number):
        database = Database(url)
        database.migrate()
        with database.snapshot() as connection:
            found = current_revision(connection)
        database.close()
        return found

    with ThreadPoolExecutor(5) as pool:
        assert set(pool.map(migrate, range(5))) == {head_revision()}

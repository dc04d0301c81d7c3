"""Transactions from asyncio, snapshots, other processes at the same file, and a process that is killed."""

import asyncio
import signal
import sqlite3

import pytest
from sqlalchemy.exc import OperationalError

from fluxhouse.database.database import Database

STREAM = """
import asyncio, sys
from fluxhouse.database.database import Database

async def stream(database, lane):
    for number in range(100_000):
        text = f"{lane}-{number}"
        await database.write(lambda c: c.exec_driver_sql("INSERT INTO notes (text) VALUES (?)", (text,)))
        print(text, flush=True)

async def main():
    database = Database(sys.argv[1])
    database.start()
    await asyncio.gather(*(stream(database, lane) for lane in range(8)))

asyncio.run(main())
"""

LOCK = """
import sqlite3, sys
connection = sqlite3.connect(sys.argv[1].removeprefix("sqlite:///"), isolation_level=None)
connection.execute("BEGIN IMMEDIATE")
connection.execute("INSERT INTO notes (text) VALUES ('theirs')")
print("locked", flush=True)
sys.stdin.readline()
connection.execute("COMMIT")
"""


def note(text):
    return lambda connection: connection.exec_driver_sql("INSERT INTO notes (text) VALUES (?)", (text,))


def texts(connection):
    return [text for (text,) in connection.exec_driver_sql("SELECT text FROM notes ORDER BY id")]


@pytest.mark.parametrize("rounds", [2, pytest.param(40, marks=pytest.mark.long)])
def test_what_was_acknowledged_survives_kill_9(database, process, rounds):
    """A process killed in a stream of writes had said of none that it was done which is not there."""
    acknowledged = set()
    for number in range(rounds):
        with database.transaction() as connection:
            connection.exec_driver_sql("DELETE FROM notes")
        child = process(STREAM)
        acknowledged = {child.stdout.readline().strip() for _ in range(50 + 37 * number)}
        child.send_signal(signal.SIGKILL)
        acknowledged |= {line.strip() for line in child.stdout if line.endswith("\n")}
        assert child.wait() == -signal.SIGKILL
        with database.snapshot() as connection:
            assert acknowledged <= set(texts(connection))
            assert connection.exec_driver_sql("PRAGMA integrity_check").scalar() == "ok"
    assert len(acknowledged) >= 50


async def test_a_write_waits_for_another_process(database, process):
    """While a command holds the write lock ours waits; reads go on with what was there before."""
    other = process(LOCK)
    assert (await asyncio.to_thread(other.stdout.readline)).strip() == "locked"
    waiting = asyncio.create_task(database.write(note("ours")))
    await asyncio.sleep(0.2)
    assert not waiting.done()
    assert await database.read(texts) == []
    other.stdin.write("\n")
    other.stdin.flush()
    await asyncio.wait_for(waiting, 10)
    assert await database.read(texts) == ["theirs", "ours"]


async def test_a_read_is_one_snapshot(database):
    """A commit in the middle of a query's statements is not seen by it."""
    loop = asyncio.get_running_loop()
    await database.write(note("a"))

    def twice(connection):
        before = texts(connection)
        asyncio.run_coroutine_threadsafe(database.write(note("b")), loop).result(10)
        return before, texts(connection)

    assert await database.read(twice) == (["a"], ["a"])
    assert await database.read(texts) == ["a", "b"]


async def test_reading_cannot_write(database):
    """A query that tries to change something fails."""
    with pytest.raises(OperationalError, match="readonly"):
        await database.read(note("a"))


async def test_a_write_has_the_value_or_the_error_of_its_transaction(database):
    """What is returned after the commit is the function's value; what it raises comes through."""
    assert (await database.write(note("a"))).rowcount == 1

    def fail(connection):
        note("b")(connection)
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        await database.write(fail)
    assert await database.read(texts) == ["a"]


def test_a_commit_is_durable_and_references_are_checked(database):
    """WAL, a full sync at each commit, foreign keys and triggers that REPLACE cannot pass, on every connection."""
    for opened in (database.transaction, database.snapshot):
        with opened() as connection:
            found = {
                name: connection.exec_driver_sql(f"PRAGMA {name}").scalar()
                for name in ("journal_mode", "synchronous", "foreign_keys", "recursive_triggers")
            }
            assert found == {"journal_mode": "wal", "synchronous": 2, "foreign_keys": 1, "recursive_triggers": 1}


@pytest.mark.parametrize("url", ["sqlite://", "mysql://ada:secret@host/house", "postgresql://ada:secret@host"])
def test_other_urls_are_refused_without_their_password(url):
    """Only a SQLite file or a PostgreSQL database will do; the message names the variable and hides what is secret."""
    with pytest.raises(ValueError, match="FLUXHOUSE_DATABASE_URL") as refused:
        Database(url)
    assert "secret" not in str(refused.value)


async def test_a_closed_database_takes_no_more(url):
    """A write after `close` is refused at once instead of waiting for ever; the folder was made."""
    database = Database(url.replace("house.db", "new/folder/house.db"))
    database.start()
    database.close()
    with pytest.raises(RuntimeError, match="closed"):
        await database.write(note("late"))


def test_a_transaction_holds_the_write_lock_from_its_start(database, url):
    """What it read first stays true until it commits: nobody else can begin to write meanwhile."""
    other = sqlite3.connect(url.removeprefix("sqlite:///"), isolation_level=None, timeout=0)
    with database.transaction() as connection:
        assert texts(connection) == []
        with pytest.raises(sqlite3.OperationalError, match="database is locked"):
            other.execute("BEGIN IMMEDIATE")
    other.execute("BEGIN IMMEDIATE")
    other.close()

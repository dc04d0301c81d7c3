"""Transactions that share a commit: neighbours, failures, cancelled callers, closing."""

import asyncio
import threading
from concurrent.futures import CancelledError, wait

import pytest
from sqlalchemy import event
from sqlalchemy.exc import IntegrityError

from fluxhouse.database.sqlite import writing_engine
from fluxhouse.database.writer import GROUP_LIMIT, Writer
from fluxhouse.generation.errors import DatabaseUnavailable


def note(text):
    return lambda connection: connection.exec_driver_sql("INSERT INTO notes (text) VALUES (?)", (text,)).lastrowid


def notes(database):
    with database.snapshot() as connection:
        return [text for (text,) in connection.exec_driver_sql("SELECT text FROM notes ORDER BY id")]


@pytest.fixture
def commits(database):
    """How many transactions were committed; grows."""
    seen = []
    event.listen(database._driver._writing, "commit", seen.append)
    return seen


@pytest.fixture
def gate(database):
    """Keeps the writer busy until it is set, so that everything asked meanwhile makes one group."""
    opened, begun = threading.Event(), threading.Event()

    def hold(connection):
        begun.set()
        assert opened.wait(10)

    database._driver._writer.submit(hold)
    assert begun.wait(10)
    yield opened
    opened.set()


def test_neighbours_share_a_commit(database, gate, commits):
    """What arrives while another runs is committed with it, in order of arrival."""
    asked = [database._driver._writer.submit(note(str(number))) for number in range(10)]
    gate.set()
    assert [future.result(10) for future in asked] == list(range(1, 11))
    assert len(commits) == 1
    assert notes(database) == [str(number) for number in range(10)]


def test_a_group_has_its_limit(database, gate, commits):
    """The gate and 63 others go first, what is left follows in a second commit."""
    asked = [database._driver._writer.submit(note(str(number))) for number in range(GROUP_LIMIT)]
    gate.set()
    wait(asked, 10)
    assert (len(notes(database)), len(commits)) == (GROUP_LIMIT, 2)


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, SystemExit])
def test_a_failure_disturbs_no_neighbour(database, gate, error):
    """One transaction's error is its caller's alone; what it had written is gone, the others are there."""

    def fail(connection):
        note("half")(connection)
        raise error("mine")

    asked = [database._driver._writer.submit(verb) for verb in (note("a"), fail, note("a"), note("b"))]
    gate.set()
    assert asked[0].result(10) == 1
    with pytest.raises(error, match="mine"):
        asked[1].result(10)
    with pytest.raises(IntegrityError):
        asked[2].result(10)
    asked[3].result(10)
    assert notes(database) == ["a", "b"]


def test_a_failed_commit_fails_the_whole_group(database, gate):
    """Nobody is told of success where nothing was committed, and the writer goes on."""

    def orphan(connection):
        connection.exec_driver_sql("PRAGMA defer_foreign_keys=ON")
        connection.exec_driver_sql("INSERT INTO notes (text, reply_to) VALUES ('reply', 99)")

    asked = [database._driver._writer.submit(verb) for verb in (note("a"), orphan, note("b"))]
    gate.set()
    for future in asked:
        with pytest.raises(IntegrityError, match="FOREIGN KEY"):
            future.result(10)
    database._driver._writer.submit(note("c")).result(10)
    assert notes(database) == ["c"]


def test_a_lost_table_lock_fails_the_one_who_waited(database, url):
    """Where the file cannot be locked the error is the asker's, and the next one tries anew."""
    database._driver._writer.submit(note("a")).result(10)
    engine = writing_engine(database._driver._writing.url)
    writer = Writer(engine)
    event.listen(engine, "connect", lambda raw, _: raw.execute("PRAGMA busy_timeout=1"))
    with database.transaction() as blocking:
        note("b")(blocking)
        with pytest.raises(DatabaseUnavailable):
            writer.submit(note("c")).result(10)
    writer.submit(note("d")).result(10)
    writer.close()
    engine.dispose()
    assert notes(database) == ["a", "b", "d"]


def test_a_cancelled_transaction_is_not_begun(database, gate):
    """A future cancelled in time leaves no trace, and the thread lives on."""
    first, second = database._driver._writer.submit(note("a")), database._driver._writer.submit(note("b"))
    assert first.cancel()
    gate.set()
    second.result(10)
    with pytest.raises(CancelledError):
        first.result(10)
    assert notes(database) == ["b"]


async def test_a_cancelled_caller_does_not_stop_what_it_asked(database, gate):
    """Once asked, a transaction commits or fails whole, whether somebody still waits or not."""
    caller = asyncio.create_task(database.write(note("a")))
    await asyncio.sleep(0.05)
    caller.cancel()
    with pytest.raises(asyncio.CancelledError):
        await caller
    gate.set()
    await database.write(note("b"))
    assert notes(database) == ["a", "b"]


def test_closing_finishes_what_is_queued(database, gate):
    """Everything asked before `close` is answered; what comes later is refused, and closing twice is nothing."""
    asked = [database._driver._writer.submit(note(str(number))) for number in range(100)]
    threading.Timer(0.05, gate.set).start()
    database._driver._writer.close()
    assert all(future.done() for future in asked)
    assert len(notes(database)) == 100
    with pytest.raises(RuntimeError, match="closed"):
        database._driver._writer.submit(note("late"))
    database._driver._writer.close()

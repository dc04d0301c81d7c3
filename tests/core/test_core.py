"""What the whole room owes: no query walks the history, and every statement suits both databases."""

import pytest
from sqlalchemy import event
from sqlalchemy.dialects import postgresql, sqlite

from fluxhouse.core import events, files, idempotency, jobs, keys, ledger, limits, queue, settle, shares, usage
from fluxhouse.core.cancel import cancel
from fluxhouse.core.idempotency import IdempotencyKey
from fluxhouse.core.job_search import Search, found
from fluxhouse.core.submit import submit
from fluxhouse.database.schema import metadata

# Tables that only grow; the others hold what is open now, or a row per account, key or model.
HISTORY = ("jobs", "job_events", "ledger_entries", "files", "idempotency_keys", "usage_days")
ON_SQLITE = pytest.mark.parametrize("new_url", ["sqlite"], indirect=True)  # which says how it means to go about it


@pytest.fixture
def plans(house, ada):
    """Runs a function of a connection and returns SQLite's plans of its statements: `(statement, steps)`."""

    def explain(verb):
        found = []

        def note(connection, cursor, statement, parameters, context, executemany):
            if not statement.startswith(("BEGIN", "SAVEPOINT", "RELEASE", "EXPLAIN")):
                one = parameters[0] if executemany else parameters
                plan = cursor.connection.execute(f"EXPLAIN QUERY PLAN {statement}", one)
                found.append((statement, [step for *_, step in plan.fetchall()]))

        with house.transaction() as connection:
            event.listen(connection, "before_cursor_execute", note)
            verb(connection)
        assert found
        return found

    return explain


def questions(house, caller):
    """Everything that is asked while the house runs, by name."""
    now, account_id = house.now(), caller.account.id
    job = house.running(caller)
    sent = IdempotencyKey("a", "/run", "a" * 64)
    other, third = house.job(caller), house.running(caller)
    return {
        "submit": lambda c: submit(c, house.submission(caller, idempotency=sent), now),
        "claim": lambda c: queue.claim(c, 4, now),
        "claim some models": lambda c: queue.claim(c, 4, now, ["flux-dev"]),
        "position": lambda c: queue.position(c, other.id),
        "succeed": lambda c: settle.succeed(c, job, house.outcome(job), now),
        "put back": lambda c: settle.worker_died(c, third, now),
        "cancel": lambda c: cancel(c, other, now),
        "recover": lambda c: settle.recover(c, now, now),
        "recover all": lambda c: settle.recover(c, now),
        "beat": lambda c: jobs.beat(c, [(job.id, 1)], now),
        "open": jobs.open_jobs,
        "count open": jobs.count_open,
        "overdue": lambda c: jobs.overdue(c, now, 9),
        "outdated": lambda c: jobs.outdated(c, now, 9),
        "page": lambda c: found(c, account_id, Search(), 9),
        "next page": lambda c: found(
            c, account_id, Search(model="a", states=[jobs.JobState.FAILED], before=(now, job.id)), 9
        ),
        "events": lambda c: events.since(c, job.id, 1),
        "old files": lambda c: files.outdated(c, now, 9),
        "old keys": lambda c: idempotency.purge(c, now),
        "entries": lambda c: ledger.entries(c, account_id, 9, 5),
        "usage": lambda c: usage.between(c, account_id, now.date(), now.date()),
        "keys": lambda c: keys.of_account(c, account_id),
    }


NAMES = [
    "submit",
    "claim",
    "claim some models",
    "position",
    "succeed",
    "put back",
    "cancel",
    "recover",
    "recover all",
    "beat",
    "open",
    "count open",
    "overdue",
    "outdated",
    "page",
    "next page",
    "events",
    "old files",
    "old keys",
    "entries",
    "usage",
    "keys",
]


@ON_SQLITE
@pytest.mark.parametrize("name", NAMES)
def test_no_cost_grows_with_history(house, ada, plans, name):
    """No statement scans a table that only grows, whatever the planner knows of its size."""
    for statement, steps in plans(questions(house, ada)[name]):
        for step in steps:
            walks = step.startswith("SCAN") and step.split()[1] in HISTORY
            # The index of open jobs is as long as there are open jobs.
            assert not walks or "ix_jobs_open" in step, f"{step}\n{statement}"


@ON_SQLITE
@pytest.mark.parametrize("name", ["page", "next page", "outdated", "claim", "old files", "entries"])
def test_pages_are_read_in_order(house, ada, plans, name):
    """What is read by pages comes sorted out of an index, so that a page costs a page."""
    ((_, steps), *_) = plans(questions(house, ada)[name])
    assert not [step for step in steps if "TEMP B-TREE" in step]


def test_every_question_is_named(house, ada):
    """The list of names above is complete."""
    assert list(questions(house, ada)) == NAMES


def test_the_upserts_suit_postgresql_too():
    """The statements written in a dialect's own words compile for both databases."""
    for statement, columns in ((usage._COUNT, None), (shares._MOVE_ON, None), (limits._COUNT, ["key_id"])):
        for dialect in (sqlite.dialect(), postgresql.dialect()):
            assert "ON CONFLICT" in str(statement.compile(dialect=dialect, column_keys=columns))


def test_every_table_is_a_nouns():
    """The metadata knows the tables that this room owns and no other."""
    assert set(metadata.tables) >= set(HISTORY)

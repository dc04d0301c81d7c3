"""Whatever is falsified, reconcile finds it."""

import sqlite3

import pytest
from sqlalchemy import text, update

from fluxhouse.core.ledger import available, balances
from fluxhouse.core.reconcile import Drift

FALSIFIED = {
    "an entry's amount": "UPDATE ledger_entries SET amount_micro = amount_micro + 1 WHERE id = 1",
    "a whole transfer": "UPDATE ledger_entries SET amount_micro = amount_micro * 2 WHERE kind = 'grant'",
    "an entry's account": "UPDATE ledger_entries SET ledger_account = 'account:x:available' WHERE id = 2",
    "an entry's job": "UPDATE ledger_entries SET job_id = 'x' WHERE id = (SELECT max(id) FROM ledger_entries)",
    "an entry gone": "DELETE FROM ledger_entries WHERE id = 1",
    "a transfer gone": "DELETE FROM ledger_entries WHERE kind = 'capture'",
    "a balance": "UPDATE balances SET amount_micro = amount_micro + 1 WHERE ledger_account LIKE '%:available'",
    "a balance gone": "DELETE FROM balances WHERE ledger_account LIKE '%:held'",
    "the house's balance": "UPDATE balances SET amount_micro = 0 WHERE ledger_account = 'house:issued'",
    "a price": "UPDATE jobs SET price_micro = price_micro + 1 WHERE state = 'queued'",
    "a charge": "UPDATE jobs SET captured_micro = 0 WHERE state = 'succeeded'",
    "an image gone": "UPDATE jobs SET images = '[]' WHERE state = 'succeeded'",
    "a job reopened": "UPDATE jobs SET state = 'running' WHERE state = 'succeeded'",
    "a job ended by hand": "UPDATE jobs SET state = 'failed' WHERE state = 'queued'",
    "another end": "UPDATE jobs SET state = 'failed' WHERE state = 'succeeded'",
    "a queue entry gone": "DELETE FROM queue_entries",
    "a terminal event gone": "DELETE FROM job_events WHERE state = 'succeeded'",
    "a job gone": "DELETE FROM jobs WHERE state = 'queued'",
    "a hold's both entries gone": "DELETE FROM ledger_entries WHERE kind = 'hold'",
}


def falsify(house, statement):
    """Change rows past triggers and foreign keys; how many."""
    if house.url.startswith("postgresql"):
        statement = statement.replace("queue_entries", "procrastinate_jobs").replace(":", "\\:")
        with house.transaction() as connection:
            connection.execute(text("SET LOCAL session_replication_role = replica"))
            return connection.execute(text(statement)).rowcount
    with sqlite3.connect(house.url.removeprefix("sqlite:///"), isolation_level=None) as raw:
        for verb in ("update", "delete"):
            raw.execute(f"DROP TRIGGER ledger_entries_refuse_{verb}")
        changed = raw.execute(statement).rowcount
    raw.close()
    return changed


@pytest.mark.parametrize("what", FALSIFIED)
def test_a_falsification_is_found(house, ada, what):
    """One changed row, past triggers and foreign keys, is a drift."""
    house.succeed(house.running(ada, count=2))
    house.job(ada)
    assert house.drift() == []
    assert falsify(house, FALSIFIED[what]) > 0
    assert house.drift() != []


def test_what_drifts_is_named(house, ada):
    """A drift says which rule, about what and by how much."""
    spendable = available(ada.account.id)
    changed = update(balances).where(balances.c.ledger_account == spendable).values(amount_micro=99_999_997)
    house.do(lambda connection: connection.execute(changed))
    assert house.drift() == [Drift("a balance is the sum of its entries", spendable, -3)]

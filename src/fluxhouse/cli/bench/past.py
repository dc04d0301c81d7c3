"""A past written in bulk: ended jobs that equal one really made, with their events, ledger entries and sums."""

from __future__ import annotations

from typing import Any

from sqlalchemy import (
    BigInteger,
    Connection,
    Table,
    column,
    func,
    insert,
    literal_column,
    select,
    table,
    text,
    type_coerce,
    update,
)
from sqlalchemy.sql.elements import ColumnElement

from fluxhouse.core import usage
from fluxhouse.core.events import job_events
from fluxhouse.core.jobs import Job, get, jobs
from fluxhouse.core.keys import keys
from fluxhouse.core.ledger import EARNED, available, balances, ledger_entries
from fluxhouse.database.database import Database
from fluxhouse.database.schema import Instant

_BATCH = 50_000  # rows of one statement, which has a time limit
_RANDOM_ID = {"sqlite": "lower(hex(randomblob(16)))", "postgresql": "replace(CAST(gen_random_uuid() AS text), '-', '')"}
_SECOND = 1_000_000  # in the unit of an Instant

_past = table("past", column("age", BigInteger), column("id"))


def fill(database: Database, template_id: str, count: int) -> None:
    """Add `count` jobs like the ended one of that id, each a second older than the one before.

    They have random ids, as all have. Everything holds that `reconcile` asks for. What does not last, as idempotency
    keys and queue entries, is not written; nor are bytes: every job lists the images of the first.
    """
    for newer in range(0, count, _BATCH):
        with database.transaction() as connection:
            _add(connection, get(connection, template_id), newer, min(_BATCH, count - newer))
    if database.shared is not None:
        with database.transaction() as connection:
            connection.execute(text("ANALYZE"))  # which the server does by itself after a minute


def _add(connection: Connection, template: Job, newer: int, count: int) -> None:
    series = (
        f"WITH RECURSIVE s(age) AS (SELECT {newer + 1} UNION ALL SELECT age + 1 FROM s WHERE age < {newer + count})"
    )
    random_id = _RANDOM_ID[connection.dialect.name]
    connection.execute(text(f"CREATE TEMPORARY TABLE past AS {series} SELECT age, {random_id} AS id FROM s"))
    _copy(connection, jobs, jobs.c.id == template.id, {"id": _past.c.id})
    _copy(connection, job_events, job_events.c.job_id == template.id, {"job_id": _past.c.id})
    kind = func.substr(ledger_entries.c.kind, 1, 1)  # a transfer of each kind: hold, capture
    ids = {"job_id": _past.c.id, "transfer_id": kind.op("||")(func.substr(_past.c.id, 2)), "id": None}
    _copy(connection, ledger_entries, ledger_entries.c.job_id == template.id, ids)
    connection.execute(text("DROP TABLE past"))
    _sum_up(connection, template, count)


def _copy(connection: Connection, rows: Table, which: ColumnElement[bool], changed: dict[str, Any]) -> None:
    """One row for each of the past, by the template's; `changed` columns get another value, None its default."""
    values = {one.name: _older(one) for one in rows.columns} | changed
    values = {name: value for name, value in values.items() if value is not None}
    copies = select(*values.values()).select_from(rows.join(_past, literal_column("true"))).where(which)
    connection.execute(insert(rows).from_select(list(values), copies))


def _older(one: ColumnElement[Any]) -> ColumnElement[Any]:
    # What lies ahead stays there: the sweep has nothing to do.
    if not isinstance(one.type, Instant) or one.name == "expires_at":
        return one
    return type_coerce(one, BigInteger) - _past.c.age * _SECOND


def _sum_up(connection: Connection, template: Job, count: int) -> None:
    captured_micro = (template.captured_micro or 0) * count
    for ledger_account, change in ((available(template.account_id), -captured_micro), (EARNED, captured_micro)):
        mine = update(balances).where(balances.c.ledger_account == ledger_account)
        connection.execute(mine.values(amount_micro=balances.c.amount_micro + change))
    spent = update(keys).where(keys.c.id == template.key_id).values(spent_micro=keys.c.spent_micro + captured_micro)
    connection.execute(spent)
    slot = usage.Slot(template.account_id, template.key_id, template.model)
    amounts = {"submitted": count, "succeeded": count, "images": count * len(template.images)}
    usage.count(connection, slot, template.created_at, amounts | {"captured_micro": captured_micro})

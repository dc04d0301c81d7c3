"""Windows of time in which something is counted: one statement that counts once more, or begins the next window."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Column, Table, bindparam, case
from sqlalchemy.dialects.postgresql import insert  # SQLite compiles its ON CONFLICT as well
from sqlalchemy.sql.dml import ReturningInsert

from fluxhouse.database.schema import Instant


def counting(windows: Table, number: Column[int]) -> ReturningInsert[Any]:
    """Count once more in the window of a subject, from 1 where its last one has ended or the clock was set back.

    `windows` has the subject as its key, `started_at`, and the column `number`. To be executed with the subject under
    its column's name, `now`, and `ended`: the latest start of a window that has ended. Returns `started_at` and number.
    """
    now, ended = bindparam("now", type_=Instant), bindparam("ended", type_=Instant)
    runs = (windows.c.started_at <= now) & (windows.c.started_at > ended)
    begun = case((runs, windows.c.started_at), else_=now)
    counted = {"started_at": begun, number.name: case((runs, number + 1), else_=1)}
    first = insert(windows).values({"started_at": now, number.name: 1})
    either = first.on_conflict_do_update(index_elements=list(windows.primary_key), set_=counted)
    return either.returning(windows.c.started_at, number)

"""The audit log: who did what to whom on this installation, append-only."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import JSON, Column, Connection, String, Table, insert, select

from fluxhouse.database.schema import Instant, RowNumber, metadata

COMMAND = "command line"

audit_entries = Table(
    "audit_entries",
    metadata,
    Column("number", RowNumber, primary_key=True, autoincrement=True),
    Column("at", Instant, nullable=False),
    Column("actor", String(254), nullable=False),
    Column("action", String(60), nullable=False),
    Column("subject", String(254), nullable=False),
    Column("facts", JSON, nullable=False),
)


@dataclass(frozen=True, slots=True)
class AuditEntry:
    """`actor` (an address, or `COMMAND`) did `action`, such as `credits.grant`, to `subject`."""

    number: int
    at: datetime
    actor: str
    action: str
    subject: str
    facts: Mapping[str, Any]


def note(
    connection: Connection, actor: str, action: str, subject: str, now: datetime, **facts: str | int | bool | None
) -> None:
    """Write down what is being done, in the transaction that does it. Never pass a secret."""
    connection.execute(
        insert(audit_entries).values(at=now, actor=actor, action=action, subject=subject, facts=dict(facts))
    )


def latest(connection: Connection, count: int, before: int | None = None) -> list[AuditEntry]:
    """The newest entries first; `before` the one with that number."""
    query = select(audit_entries).order_by(audit_entries.c.number.desc()).limit(count)
    if before is not None:
        query = query.where(audit_entries.c.number < before)
    return [
        AuditEntry(row.number, row.at, row.actor, row.action, row.subject, row.facts)
        for row in connection.execute(query)
    ]

"""Finding jobs again: an account's jobs by model, key, state, time and words of the prompt, page by page."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, select

from fluxhouse.core.cursors import beyond
from fluxhouse.core.jobs import Job, JobState, from_row, jobs


@dataclass(frozen=True, slots=True)
class Search:
    """What is looked for; what is left out is no condition.

    `since` is included, `until` is not. `text` stands somewhere in the prompt, in capitals or not. `before` is the
    `(created_at, id)` of the last job seen.
    """

    model: str | None = None
    key_id: str | None = None
    states: Collection[JobState] = ()
    since: datetime | None = None
    until: datetime | None = None
    text: str | None = None
    before: tuple[datetime, str] | None = None


def found(connection: Connection, account_id: str, search: Search, limit: int) -> list[Job]:
    """The account's jobs that fit, newest first."""
    conditions = [jobs.c.account_id == account_id]
    if search.before is not None:
        conditions.append(beyond(jobs, search.before))
    if search.since is not None:
        conditions.append(jobs.c.created_at >= search.since)
    if search.until is not None:
        conditions.append(jobs.c.created_at < search.until)
    if search.states:
        conditions.append(jobs.c.state.in_(sorted(search.states)))
    if search.model is not None:
        conditions.append(jobs.c.model == search.model)
    if search.key_id is not None:
        conditions.append(jobs.c.key_id == search.key_id)
    if search.text is not None:
        conditions.append(jobs.c.request["prompt"].as_string().icontains(search.text, autoescape=True))
    newest = select(jobs).where(*conditions).order_by(jobs.c.created_at.desc(), jobs.c.id.desc())
    return [from_row(row) for row in connection.execute(newest.limit(limit))]

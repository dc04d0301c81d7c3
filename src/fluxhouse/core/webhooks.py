"""Webhooks: where the end of a job is told, when the next attempt is due, and how each one went."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any
from urllib.parse import urlsplit

from sqlalchemy import (
    Column,
    Connection,
    ForeignKey,
    Index,
    Integer,
    Row,
    String,
    Table,
    bindparam,
    delete,
    func,
    insert,
    select,
    text,
    update,
)

from fluxhouse.core import jobs
from fluxhouse.core.jobs import Job
from fluxhouse.database.schema import Instant, metadata
from fluxhouse.generation.errors import Conflict, UnknownWebhook

LONGEST_URL = 2000  # characters
# After the first attempt, at once, so many seconds from each failure to the next attempt: nearly a day in all.
RETRY_SECONDS = (5, 30, 120, 600, 3600, 3 * 3600, 6 * 3600, 12 * 3600)
LOGS_PAUSE = timedelta(seconds=1)  # between messages about the logs of a running job
KEPT_ATTEMPTS = 100
_LONGEST_ERROR = 200
# What a job's terms may ask its webhook to be told of: that it runs, what it says, its images, its end.
START, LOGS, OUTPUT, COMPLETED = EVENTS = ("start", "logs", "output", "completed")
_GONE = 410  # by which a receiver says that it wants no more


class WebhookState(StrEnum):
    """Where the message about the end stands: not due yet; an attempt is due; a receiver took it; nobody ever did.

    While it is not due, `next_at` may be when the job's start, or what its logs say by then, is to be told.
    """

    WAITING = "waiting"
    PENDING = "pending"
    DELIVERED = "delivered"
    GIVEN_UP = "given_up"


webhooks = Table(
    "webhooks",
    metadata,
    Column("job_id", String(32), ForeignKey("jobs.id"), primary_key=True),
    Column("account_id", String(32), ForeignKey("accounts.id"), nullable=False),
    Column("url", String(LONGEST_URL), nullable=False),
    Column("host", String(LONGEST_URL), nullable=False),
    Column("state", String(10), nullable=False),
    Column("tries", Integer, nullable=False),
    Column("next_at", Instant),
    Index(
        "ix_webhooks_due",
        "next_at",
        sqlite_where=text("next_at IS NOT NULL"),
        postgresql_where=text("next_at IS NOT NULL"),
    ),
)

webhook_attempts = Table(
    "webhook_attempts",
    metadata,
    Column("job_id", String(32), ForeignKey("webhooks.job_id"), primary_key=True),
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("at", Instant, nullable=False),
    Column("status", Integer),
    Column("error", String(_LONGEST_ERROR)),
    Column("milliseconds", Integer, nullable=False),
    Column("next_at", Instant),
)

_ENQUEUE = (
    update(webhooks)
    .where(
        webhooks.c.job_id == bindparam("ended"),
        webhooks.c.state == WebhookState.WAITING,
        # A first attempt to tell the start is made before the end is told, a further one is not.
        webhooks.c.next_at.is_(None) | (webhooks.c.tries > 0),
    )
    .values(state=WebhookState.PENDING, tries=0, next_at=bindparam("due_at"))
)


@dataclass(frozen=True, slots=True)
class Webhook:
    """One job's webhook. `tries` counts attempts since the job ended or since the last replay.

    `next_at` is when the next attempt is due, and None where none is. While an attempt runs it is when others may
    believe that whoever makes it has died.
    """

    job_id: str
    account_id: str
    url: str
    host: str
    state: WebhookState
    tries: int
    next_at: datetime | None

    @property
    def message_id(self) -> str:
        """What stays the same however often the message is sent, so that a receiver can tell a repeat."""
        return f"msg_{self.job_id}" + ("_start" if self.state is WebhookState.WAITING else "")


@dataclass(frozen=True, slots=True)
class Sent:
    """How one attempt went: the answer's status, or why there was none."""

    at: datetime
    milliseconds: int
    status: int | None = None
    error: str | None = None

    @property
    def accepted(self) -> bool:
        return self.status is not None and 200 <= self.status < 300


@dataclass(frozen=True, slots=True)
class WebhookAttempt:
    """One line of the delivery log; `number` counts from 1, `next_at` is when the next attempt was planned."""

    number: int
    sent: Sent
    next_at: datetime | None


@dataclass(frozen=True, slots=True)
class Backlog:
    """How many webhooks have an attempt to come, and when the first of these is due."""

    pending: int
    next_at: datetime | None


def expect(connection: Connection, job: Job, url: str) -> None:
    """Remember where to tell the end of a job, in the transaction that takes the job in."""
    row = {"job_id": job.id, "account_id": job.account_id, "url": url, "host": urlsplit(url).hostname or ""}
    connection.execute(insert(webhooks).values(row | {"state": WebhookState.WAITING, "tries": 0}))


def begin(connection: Connection, job: Job, now: datetime) -> None:
    """Tell that a job runs for the first time, where its terms ask for it, in the transaction that claims it."""
    asked = job.terms.webhook_events or ()
    if job.attempt == 1 and (START in asked or LOGS in asked):
        connection.execute(update(webhooks).where(webhooks.c.job_id == job.id).values(next_at=now))


def enqueue(connection: Connection, job: Job, now: datetime, *, made: bool) -> None:
    """Make the first attempt to tell the end due, in the transaction that ends the job.

    Nothing for a job without a webhook, or whose terms ask for no event that comes with an end; with its images, where
    any were `made`, comes the one about the output. Where the start is still to be told, `record` does it after that.
    """
    asked = job.terms.webhook_events
    if asked is None or COMPLETED in asked or LOGS in asked or (made and OUTPUT in asked):
        connection.execute(_ENQUEUE, {"ended": job.id, "due_at": now})


def due(
    connection: Connection,
    now: datetime,
    limit: int,
    full_hosts: Collection[str] = (),
    full_accounts: Collection[str] = (),
) -> list[Webhook]:
    """Webhooks whose next attempt is due, longest first, but for hosts and accounts that have enough under way."""
    found = select(webhooks).where(webhooks.c.next_at <= now)
    if full_hosts:
        found = found.where(webhooks.c.host.not_in(sorted(full_hosts)))
    if full_accounts:
        found = found.where(webhooks.c.account_id.not_in(sorted(full_accounts)))
    # One order for all, ties too: processes that take the same rows then wait for each other and never in a circle.
    ordered = found.order_by(webhooks.c.next_at, webhooks.c.job_id).limit(limit)
    return [_from_row(row) for row in connection.execute(ordered)]


def backlog(connection: Connection) -> Backlog:
    """What is to be sent, of all accounts."""
    due = select(func.count(), func.min(webhooks.c.next_at)).where(webhooks.c.next_at.is_not(None))
    pending, next_at = connection.execute(due).one()
    return Backlog(pending, next_at)


def take(connection: Connection, found: Sequence[Webhook], until: datetime) -> list[Webhook]:
    """Those of `found` that nobody else took first: each is ours until that moment, and due again after it."""
    taken = update(webhooks).values(next_at=until).returning(webhooks)
    rows = [connection.execute(taken.where(_as_seen(webhook))).one_or_none() for webhook in found]
    return [_from_row(row) for row in rows if row is not None]


def hand_back(connection: Connection, taken: Webhook, now: datetime) -> None:
    """Let an attempt that was broken off be made again at once, by anyone."""
    connection.execute(update(webhooks).where(_as_seen(taken)).values(next_at=now))


def record(connection: Connection, taken: Webhook, sent: Sent, spread: float) -> WebhookState:
    """Note how an attempt went; what is accepted is delivered, what is not is due again later or given up.

    `spread` from 0 to 1 lengthens the pause by up to a fifth, so that what failed together does not come back together.
    """
    state, next_at = taken.state, None
    # Of a job that has not ended the message about the end is still to come, whatever became of the one before it.
    # Locked, as settling does it: who ends the job meanwhile must find what is written here, or be found.
    job = jobs.locked(connection, taken.job_id) if state is WebhookState.WAITING else None
    if sent.accepted and job is not None:
        next_at = sent.at + LOGS_PAUSE if LOGS in (job.terms.webhook_events or ()) else None
    elif sent.accepted:
        state = WebhookState.DELIVERED
    elif sent.status == _GONE or taken.tries >= len(RETRY_SECONDS):
        state = WebhookState.GIVEN_UP if job is None else state
    else:
        pause = RETRY_SECONDS[taken.tries] * (1 + spread / 5)
        next_at = sent.at + timedelta(milliseconds=sent.milliseconds, seconds=pause)
    _log(connection, taken.job_id, sent, next_at)
    outcome = {"state": state, "tries": taken.tries + 1, "next_at": next_at}
    connection.execute(update(webhooks).where(_as_seen(taken)).values(outcome))
    if job is not None and job.state.terminal:
        enqueue(connection, job, sent.at, made=bool(job.shown))
    return state


def replay(connection: Connection, job: Job, now: datetime) -> Webhook:
    """Send the message of an ended job once more, from now on and with all its attempts.

    Raises `UnknownWebhook` for a job without a webhook, `Conflict` for one that has not ended.
    """
    of_job(connection, job.id)
    if not job.state.terminal:
        raise Conflict("the job has not ended yet: its webhook will be sent when it has")
    again = {"state": WebhookState.PENDING, "tries": 0, "next_at": now}
    connection.execute(update(webhooks).where(webhooks.c.job_id == job.id).values(again))
    return of_job(connection, job.id)


def of_job(connection: Connection, job_id: str) -> Webhook:
    """The webhook of a job; raises `UnknownWebhook`."""
    row = connection.execute(select(webhooks).where(webhooks.c.job_id == job_id)).one_or_none()
    if row is None:
        raise UnknownWebhook
    return _from_row(row)


def attempts(connection: Connection, job_id: str) -> list[WebhookAttempt]:
    """The newest hundred attempts of a job's webhook, in order."""
    mine = select(webhook_attempts).where(webhook_attempts.c.job_id == job_id)
    return [
        WebhookAttempt(row.number, Sent(row.at, row.milliseconds, row.status, row.error), row.next_at)
        for row in connection.execute(mine.order_by(webhook_attempts.c.number))
    ]


def _log(connection: Connection, job_id: str, sent: Sent, next_at: datetime | None) -> None:
    mine = webhook_attempts.c.job_id == job_id
    last = connection.execute(select(func.max(webhook_attempts.c.number)).where(mine)).scalar() or 0
    line = {
        "job_id": job_id,
        "number": last + 1,
        "at": sent.at,
        "status": sent.status,
        "error": None if sent.error is None else sent.error[:_LONGEST_ERROR],
        "milliseconds": sent.milliseconds,
        "next_at": next_at,
    }
    connection.execute(insert(webhook_attempts).values(line))
    if last >= KEPT_ATTEMPTS:
        connection.execute(delete(webhook_attempts).where(mine, webhook_attempts.c.number <= last + 1 - KEPT_ATTEMPTS))


def _as_seen(webhook: Webhook) -> Any:
    """The fence: a row that was taken, settled or replayed meanwhile is no longer as it was seen."""
    return (webhooks.c.job_id == webhook.job_id) & (webhooks.c.next_at == webhook.next_at)


def _from_row(row: Row[Any]) -> Webhook:
    return Webhook(
        job_id=row.job_id,
        account_id=row.account_id,
        url=row.url,
        host=row.host,
        state=WebhookState(row.state),
        tries=row.tries,
        next_at=row.next_at,
    )

"""The fleet's queue: Procrastinate's entries on PostgreSQL, one queue per model, deferred in our own transaction.

An entry names a job and its tag. Its `queueing_lock` is the job's id, so that a job waits at most once.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from functools import cache
from importlib import import_module
from typing import Any

from sqlalchemy import Connection, Integer, String, column, select, table, text
from sqlalchemy.exc import DBAPIError, OperationalError

from fluxhouse.core.jobs import Job, jobs

TASK = "fluxhouse.make"
LOWEST, FRONT = -(2**31), 2**31 - 1  # Procrastinate's priorities are 32 bits wide; a job that had its turn is in front
SCALE = 64  # units of virtual time per step of priority
STALLED_AFTER = timedelta(seconds=30)  # without a heartbeat of the worker that fetched an entry
_REBASE_AT = 2**29  # steps of priority that the present may be from priority 0
_ZERO = "zero"  # the row of fair_shares that holds the tag of priority 0
_ZERO_LOCK = 0x7A65726F  # shared by whoever computes a priority, exclusive for whoever moves the zero

_entries = table(
    "procrastinate_jobs",
    column("id", Integer),
    column("queueing_lock", String),
    column("queue_name", String),
    column("task_name", String),
    column("priority", Integer),
)

waiting = (
    select(
        _entries.c.id.label("number"),
        _entries.c.queueing_lock.label("job_id"),
        _entries.c.queue_name.label("model"),
        (-_entries.c.priority).label("tag"),
        jobs.c.created_at.label("enqueued_at"),
    )
    .join(jobs, jobs.c.id == _entries.c.queueing_lock)
    .where(text("procrastinate_jobs.status = 'todo'"), _entries.c.task_name == TASK)
    .subquery("waiting")
)

_HAS_ENTRY = "EXISTS (SELECT 1 FROM procrastinate_jobs e WHERE e.queueing_lock = :job AND e.status = 'todo')"
_REMOVE = text("DELETE FROM procrastinate_jobs WHERE queueing_lock = :job AND status = 'todo'")
_FORGET_STALLED = text(
    "DELETE FROM procrastinate_jobs e WHERE e.status = 'doing' AND e.task_name = :task AND NOT EXISTS ("
    "SELECT 1 FROM procrastinate_workers w WHERE w.id = e.worker_id "
    "AND w.last_heartbeat > now() - make_interval(secs => :seconds))"
)
# Two ranges of Procrastinate's own index on priority and id, so that nothing but the index is read.
_AHEAD = text(
    "SELECT (SELECT count(*) FROM procrastinate_jobs e WHERE e.status = 'todo' AND e.priority > mine.priority)"
    " + (SELECT count(*) FROM procrastinate_jobs e "
    "WHERE e.status = 'todo' AND e.priority = mine.priority AND e.id < mine.id) "
    "FROM procrastinate_jobs mine WHERE mine.queueing_lock = :job AND mine.status = 'todo'"
)
_WITHOUT_ENTRY = (
    "FROM jobs WHERE state IN ('queued', 'running') AND state = 'queued' AND NOT EXISTS ("
    "SELECT 1 FROM procrastinate_jobs e WHERE e.queueing_lock = jobs.id AND e.status IN ('todo', 'doing'))"
)
_ENDED_BUT_WAITING = (
    "SELECT e.queueing_lock FROM procrastinate_jobs e JOIN jobs ON jobs.id = e.queueing_lock "
    "WHERE e.status = 'todo' AND e.task_name = :task AND jobs.state NOT IN ('queued', 'running')"
)


def enter(connection: Connection, job: Job, tag: int, now: datetime) -> None:  # noqa: ARG001  Procrastinate keeps it.
    """Let a job wait."""
    connection.execute(text("SELECT pg_advisory_xact_lock_shared(:lock)"), {"lock": _ZERO_LOCK})
    steps = (tag - _zero(connection)) // SCALE
    _defer(connection, job, tag, max(LOWEST, min(FRONT - 1, -steps)))


def remove(connection: Connection, job_id: str) -> None:
    """Take a waiting job's entry out; one that a worker has fetched ends with that worker's task."""
    connection.execute(_REMOVE, {"job": job_id})


def put_back(connection: Connection, job: Job, present: int, now: datetime) -> None:  # noqa: ARG001
    """Let a job wait again, in front."""
    if not connection.execute(text(f"SELECT {_HAS_ENTRY}"), {"job": job.id}).scalar_one():
        _defer(connection, job, present, FRONT)


def ahead(connection: Connection, job_id: str) -> int | None:
    """How many entries are fetched before a waiting job's; None where it does not wait."""
    found: int | None = connection.execute(_AHEAD, {"job": job_id}).scalar()
    return found


def mend(connection: Connection) -> list[str]:
    """Forget entries whose worker is dead, and return the queued jobs that have none: they are to be put back."""
    stalled = {"task": TASK, "seconds": STALLED_AFTER.total_seconds()}
    connection.execute(_FORGET_STALLED, stalled)
    return [job_id for (job_id,) in connection.execute(text(f"SELECT id {_WITHOUT_ENTRY} LIMIT 100"))]


def rebase(connection: Connection, present: int) -> bool:
    """Move priority 0 to the present where it is far from it, so that priorities never run out; False where near."""
    if abs(present - _zero(connection)) < _REBASE_AT * SCALE:
        return False
    # Whoever computed a priority from the old zero has committed it once this lock is ours.
    connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _ZERO_LOCK})
    steps = (present - _zero(connection)) // SCALE
    moved = "UPDATE procrastinate_jobs SET priority = LEAST(:most, GREATEST(:least, CAST(priority AS bigint) + :steps))"
    waits = "WHERE status = 'todo' AND task_name = :task AND priority < :front"
    bounds = {"steps": steps, "least": LOWEST, "most": FRONT - 1, "front": FRONT, "task": TASK}
    connection.execute(text(f"{moved} {waits}"), bounds)
    upsert = "INSERT INTO fair_shares VALUES (:row, :tag) ON CONFLICT (account_id) DO UPDATE SET finish_tag = :tag"
    connection.execute(text(upsert), {"row": _ZERO, "tag": _zero(connection) + steps * SCALE})
    return True


def holders(connection: Connection) -> dict[str, int]:
    """The number of the worker that has each job in hand, by the job's id."""
    held = text("SELECT queueing_lock, worker_id FROM procrastinate_jobs WHERE status = 'doing' AND task_name = :task")
    return {job_id: worker for job_id, worker in connection.execute(held, {"task": TASK}) if worker is not None}


def astray(connection: Connection) -> Iterator[str]:
    """Jobs whose entry contradicts their row: a queued job has one, an ended one does not wait."""
    yield from (job_id for (job_id,) in connection.execute(text(f"SELECT id {_WITHOUT_ENTRY}")))
    yield from (job_id for (job_id,) in connection.execute(text(_ENDED_BUT_WAITING), {"task": TASK}))


def _zero(connection: Connection) -> int:
    found = text("SELECT finish_tag FROM fair_shares WHERE account_id = :row")
    return connection.execute(found, {"row": _ZERO}).scalar() or 0


def _defer(connection: Connection, job: Job, tag: int, priority: int) -> None:
    entry = import_module("procrastinate.jobs").Job(
        id=None,
        queue=job.request.model,
        priority=priority,
        lock=None,
        queueing_lock=job.id,
        task_name=TASK,
        task_kwargs={"job_id": job.id, "tag": tag},
    )
    raw = connection.connection.driver_connection
    try:
        _deferrer().defer_job(entry, connection=raw)
    except import_module("procrastinate.exceptions").ConnectorException as error:
        raise _as_of_the_driver(connection, error) from error


def _as_of_the_driver(connection: Connection, error: Exception) -> Exception:
    """What SQLAlchemy would have raised, so that whoever ran the transaction knows whether to try it again."""
    cause, dialect = error.__cause__, connection.dialect
    if not isinstance(cause, dialect.loaded_dbapi.Error):
        return error
    lost = dialect.is_disconnect(cause, connection.connection.driver_connection, None)
    kind = OperationalError if isinstance(cause, dialect.loaded_dbapi.OperationalError) else DBAPIError
    return kind("defer", None, cause, hide_parameters=True, connection_invalidated=lost)


@cache
def _deferrer() -> Any:
    # Never opened: it writes on the connections it is given. By name, since a base install has no procrastinate.
    return import_module("procrastinate.manager").JobManager(import_module("procrastinate").SyncPsycopgConnector())

"""Cancel: end a waiting job at once and free, ask a running one to stop at its next step."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Connection

from fluxhouse.core import accounts, jobs, settle
from fluxhouse.core.jobs import Job, JobState
from fluxhouse.generation.errors import JobAlreadyEnded


def cancel(connection: Connection, job: Job, now: datetime) -> Job:
    """The job after the request: cancelled where it waited, still running where its worker must stop it.

    Raises `JobAlreadyEnded` for a job in a terminal state.
    """
    accounts.lock(connection, job.account_id)
    job = jobs.locked(connection, job.id)
    if job.state.terminal:
        raise JobAlreadyEnded(f"the job has already ended: {job.state}")
    if job.state is JobState.QUEUED:
        ended = settle.cancelled(connection, job, settle.Outcome(), now)
        if ended is not None:
            return ended
    asked = jobs.change(connection, job, {"cancel_requested_at": job.cancel_requested_at or now})
    return asked or jobs.get(connection, job.id)

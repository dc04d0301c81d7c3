"""Removing what a job made and what went into it: the files, and the note of it on the job, which stays."""

from __future__ import annotations

from datetime import datetime

from fluxhouse.core import jobs
from fluxhouse.core.jobs import Job
from fluxhouse.database.database import Database
from fluxhouse.storage.opening import Store
from fluxhouse.storage.outputs import remove_all


async def remove_output(database: Database, store: Store, job: Job, now: datetime) -> None:
    """Delete an ended job's images, and its inputs, before their time."""
    await remove_files(store, job)
    await database.write(lambda connection: jobs.output_removed(connection, job.id, now))


async def remove_files(store: Store, job: Job) -> None:
    """The bytes alone; the row is noted by the caller, once they are gone."""
    await remove_all(store, job.id)
    for key in job.request.inputs:
        await store.delete(key)

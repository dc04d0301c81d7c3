"""Upsampling: a job's prompt written out by a language model, once and for all of its attempts."""

from __future__ import annotations

from dataclasses import replace

from fluxhouse.core import jobs
from fluxhouse.core.jobs import Job
from fluxhouse.database.database import Database
from fluxhouse.generation.errors import UpsamplingFailed
from fluxhouse.generation.upsampler import Upsampler
from fluxhouse.tracing.spans import span


async def upsampled(job: Job, upsampler: Upsampler | None, database: Database) -> Job | None:
    """The job with the prompt that its images are made from, which is durable; None where another attempt has it now.

    Raises `UpsamplingFailed`.
    """
    asked = job.request
    if not asked.upsample:
        return job
    if upsampler is None:
        raise UpsamplingFailed("This worker knows no language model.")
    with span("upsample", job.id, attempt=job.attempt):
        prompt = await upsampler.upsample(asked)
    request = replace(asked, prompt=prompt, asked_prompt=asked.prompt, upsample=False)
    return await database.write(lambda connection: jobs.change(connection, job, {"request": request.to_json()}))

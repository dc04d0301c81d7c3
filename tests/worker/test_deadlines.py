"""A job that has not ended by its caller's deadline is cancelled, whether it waits or runs."""

import asyncio
from dataclasses import replace
from datetime import timedelta

from fluxhouse.core.jobs import JobState, Terms
from fluxhouse.core.submit import Submission, submit
from fluxhouse.engine.testcard import TestCard
from fluxhouse.worker.deadlines import Deadlines

NO_TERMS = Terms()


async def submit_for(stage, seconds, terms=NO_TERMS, **fields):
    """A job whose caller gives it so long."""
    plain = await stage.submit(**fields)
    submission = Submission(
        stage.caller, "native", plain.model, plain.served_by, replace(plain.request, seed=5), 1, 4, timedelta(hours=1),
        patience=timedelta(seconds=seconds), terms=terms,
    )  # fmt: skip
    return plain, (await stage.database.write(lambda c: submit(c, submission, stage.clock.now()))).job


async def test_a_waiting_job_is_cancelled_at_its_deadline_and_not_before(stage_with):
    """Jobs without a deadline stay; the late one ends free of charge without having started."""
    stage = stage_with(TestCard())
    patient, late = await submit_for(stage, 30)
    deadlines = Deadlines(stage.database, stage.feed, stage.clock)
    stage.clock.pass_by(seconds=29)
    await deadlines.look()
    assert (await stage.job(late)).state is JobState.QUEUED
    stage.clock.pass_by(seconds=1)
    await deadlines.look()
    ended = await stage.job(late)
    assert (ended.state, ended.started_at, ended.captured_micro) == (JobState.CANCELLED, None, 0)
    assert (await stage.job(patient)).state is JobState.QUEUED


async def test_a_running_job_stops_at_its_next_step(stage_with):
    """Its worker is told, as by any other request to cancel."""
    stage = stage_with(TestCard(step_seconds=0.05, steps=1000))
    _, late = await submit_for(stage, 30)
    worker = stage.worker(grace_seconds=0)  # The other job is at work until then.
    working = asyncio.create_task(worker.run())
    watching = asyncio.create_task(Deadlines(stage.database, stage.feed, stage.clock, period_seconds=0.02).run())
    await stage.until(late, lambda job: job.state is JobState.RUNNING)
    stage.clock.pass_by(seconds=31)
    ended = await stage.ended(late)
    assert (ended.state, ended.captured_micro) == (JobState.CANCELLED, 0)
    watching.cancel()
    await worker.stop()
    working.cancel()
    await asyncio.gather(working, watching, return_exceptions=True)


async def test_a_deadline_for_the_start_lets_what_has_begun_finish(stage_with):
    """One that still waits is cancelled by it, as by any other."""
    stage = stage_with(TestCard(step_seconds=0.05, steps=4))
    _, begun = await submit_for(stage, 30, Terms(deadline_for_start=True))
    deadlines = Deadlines(stage.database, stage.feed, stage.clock)
    worker = stage.worker()
    working = asyncio.create_task(worker.run())
    await stage.until(begun, lambda job: job.state is JobState.RUNNING)
    stage.clock.pass_by(seconds=31)
    await deadlines.look()
    assert (await stage.ended(begun)).state is JobState.SUCCEEDED
    await worker.stop()
    await asyncio.gather(working, return_exceptions=True)
    _, waiting = await submit_for(stage, 30, Terms(deadline_for_start=True))
    stage.clock.pass_by(seconds=31)
    await deadlines.look()
    assert (await stage.job(waiting)).state is JobState.CANCELLED

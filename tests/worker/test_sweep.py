"""The sweep ends what waited too long and removes what is out of date, and nothing else."""

import asyncio
import os
from datetime import timedelta

import pytest
from sqlalchemy import text
from structlog.testing import capture_logs

from fluxhouse.core import attempts, files
from fluxhouse.core.files import File
from fluxhouse.core.jobs import JobState
from fluxhouse.core.loras import LoraFile
from fluxhouse.core.shelf import Shelf
from fluxhouse.engine.testcard import TestCard
from fluxhouse.generation.credits import MICRO
from fluxhouse.generation.errors import UnknownFile
from fluxhouse.worker.sweep import Sweeper, SweepOptions


@pytest.fixture
def stage(stage_with):
    return stage_with(TestCard())


@pytest.fixture
def sweeper(stage):
    return Sweeper(stage.database, stage.storage, stage.feed, stage.bell, stage.clock, SweepOptions(batch=2))


async def kept(stage):
    return sorted([key async for key in stage.storage.keys("")])


async def test_jobs_nobody_started_in_time_fail_free(stage, sweeper):
    """A queued job past its expiry fails as `expired`, batch after batch, and its credits come back."""
    overdue = [await stage.submit(lifetime=timedelta(hours=1)) for _ in range(5)]
    fresh = await stage.submit()
    stage.clock.pass_by(hours=2)
    await sweeper.sweep()
    rows = [await stage.job(job) for job in overdue]
    assert {(row.state, row.error.code) for row in rows} == {(JobState.FAILED, "expired")}
    assert (await stage.job(fresh)).state is JobState.QUEUED
    assert (await stage.balance()).held_micro == MICRO


async def test_a_job_that_was_started_in_time_has_an_hour_more(stage, sweeper):
    """A job whose worker died after a start in time waits on past its expiry, but not for ever."""
    job = await stage.submit(lifetime=timedelta(hours=1))
    await stage.take()
    stage.clock.pass_by(hours=1, minutes=30)
    await sweeper.sweep()
    row = await stage.job(job)
    assert row.state is JobState.QUEUED
    assert row.attempt == 1
    assert row.output_removed_at is None
    stage.clock.pass_by(minutes=30)
    await sweeper.sweep()
    row = await stage.job(job)
    assert (row.state, row.error.code) == (JobState.FAILED, "expired")
    assert (await stage.balance()).held_micro == 0


async def test_outdated_outputs_are_removed_and_the_row_stays(stage, sweeper, working):
    """After its expiry a job's images and inputs are gone, with what a broken attempt left, and its row says so."""
    await working(stage)
    await stage.storage.put("inputs/a.png", b"input")
    finished = [await stage.ended(await stage.submit(inputs=("inputs/a.png",))) for _ in range(3)]
    await stage.storage.put(f"outputs/{finished[0].id}/9.png", b"left by an attempt that broke off")
    stage.clock.pass_by(hours=23)
    fresh = await stage.ended(await stage.submit())
    stage.clock.pass_by(hours=2)
    await sweeper.sweep()
    assert await kept(stage) == [fresh.images[0].key]
    for job in finished:
        row = await stage.job(job)
        assert row.state is JobState.SUCCEEDED
        assert row.output_removed_at == stage.clock.now()
        assert len(row.images) == 1


async def test_a_silent_workers_jobs_wait_again(stage, sweeper):
    """A running job without a heartbeat for a minute is put back, one with is not."""
    silent, alive = await stage.submit(), await stage.submit()
    await stage.take()
    stage.clock.pass_by(seconds=50)
    await stage.take()
    stage.clock.pass_by(seconds=20)
    await sweeper.sweep()
    assert (await stage.job(silent)).state is JobState.QUEUED
    assert (await stage.job(alive)).state is JobState.RUNNING


async def test_uploaded_files_go_after_their_expiry(stage, sweeper):
    """An expired upload is forgotten with its bytes; one in time is kept."""
    now = stage.clock.now()
    for name, hours in (("old", 1), ("older", 1), ("oldest", 1), ("new", 5)):
        await stage.storage.put(f"files/{name}", b"upload")
        file = File(
            name, stage.caller.account.id, f"files/{name}", "image/png", 1, 1, 6, now, now + timedelta(hours=hours)
        )
        await stage.database.write(lambda c, file=file: files.add(c, file))
    stage.clock.pass_by(hours=2)
    await sweeper.sweep()
    assert await kept(stage) == ["files/new"]
    with pytest.raises(UnknownFile):
        await stage.database.read(lambda c: files.owned(c, "old", stage.caller.account.id))


async def test_attempts_whose_window_has_ended_are_forgotten(stage, sweeper):
    """Who tries once, from wherever, leaves nothing behind for ever."""
    await stage.database.write(lambda c: attempts.count(c, "sign-in", "ada", 5, stage.clock.now()))
    stage.clock.pass_by(minutes=10)
    await stage.database.write(lambda c: attempts.count(c, "sign-in", "bob", 5, stage.clock.now()))
    stage.clock.pass_by(minutes=10)
    await sweeper.sweep()
    left = await stage.database.read(lambda c: c.execute(attempts.attempts.select()).all())
    assert [row.started_at for row in left] == [stage.clock.now() - timedelta(minutes=10)]


async def test_inputs_that_belong_to_nobody_go_after_a_day(stage, sweeper):
    """Inputs of a submit that never committed are removed; those of an open job and young ones are kept."""
    for name in ("orphan", "owned", "young"):
        await stage.storage.put(f"inputs/{name}.png", b"input")
    await stage.submit(inputs=("inputs/owned.png",), lifetime=timedelta(days=9))
    long_ago = stage.clock.now().timestamp() - timedelta(days=2).total_seconds()
    for name in ("orphan", "owned"):
        os.utime(await stage.storage.path(f"inputs/{name}.png"), (long_ago, long_ago))
    await sweeper.sweep()
    assert await kept(stage) == ["inputs/owned.png", "inputs/young.png"]


async def test_files_without_a_row_go_after_a_day(stage, sweeper):
    """Bytes that a crash left before their row was written, or after it was forgotten; no others."""
    for key in ("files/orphan.png", "fal/files/orphan.png", "files/known.png", "fal/files/young.png"):
        await stage.storage.put(key, b"upload")
    now = stage.clock.now()
    sizes = (1, 1, 6, now, now + timedelta(days=9))
    known = File("known", stage.caller.account.id, "files/known.png", "image/png", *sizes)
    await stage.database.write(lambda c: files.add(c, known))
    long_ago = now.timestamp() - timedelta(days=2).total_seconds()
    for key in ("files/orphan.png", "fal/files/orphan.png", "files/known.png"):
        os.utime(await stage.storage.path(key), (long_ago, long_ago))
    await sweeper.sweep()
    assert await kept(stage) == ["fal/files/young.png", "files/known.png"]


async def test_lora_files_that_nobody_needs_go(stage, tmp_path):
    """With the orphans, hourly: what is beyond the budget, and bytes that a crash left without a row."""
    shelf = Shelf(stage.database, stage.storage, byte_budget=10)
    draft = tmp_path / "draft"
    draft.write_bytes(b"weights")
    used = LoraFile("a" * 64, 7, "peft", 0)
    await shelf.keep(used, draft, stage.clock.now())
    await stage.storage.put(f"loras/{'b' * 64}.safetensors", b"left by a crash")
    long_ago = stage.clock.now().timestamp() - timedelta(days=2).total_seconds()
    os.utime(await stage.storage.path(f"loras/{'b' * 64}.safetensors"), (long_ago, long_ago))
    sweeper = Sweeper(stage.database, stage.storage, stage.feed, stage.bell, stage.clock, shelf=shelf)
    await sweeper.sweep()
    assert await kept(stage) == [used.key]
    stage.clock.pass_by(hours=2)
    await sweeper.sweep()
    assert await kept(stage) == []


FULL_DISK = (
    "CREATE TRIGGER no_room BEFORE UPDATE OF state ON jobs WHEN NEW.state = 'succeeded' "
    "BEGIN SELECT RAISE(ABORT, 'the disk is full'); END",
)
FULL_POSTGRES = (
    "CREATE FUNCTION no_room() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'the disk is full'; END $$",
    "CREATE TRIGGER no_room BEFORE UPDATE OF state ON jobs FOR EACH ROW WHEN (NEW.state = 'succeeded') "
    "EXECUTE FUNCTION no_room()",
)


async def test_an_end_that_could_not_be_written_is_not_lost(stage, sweeper, working):
    """Where the database refuses to settle a job, the worker goes on, and the sweep has the job made again."""
    await working(stage)
    await write_text(stage, *(FULL_DISK if stage.database.shared is None else FULL_POSTGRES))
    job = await stage.submit()
    with capture_logs() as logs:
        async with asyncio.timeout(10):
            while not any(entry["event"] == "settle_failed" for entry in logs):  # noqa: ASYNC110
                await asyncio.sleep(0.01)
    assert (await stage.job(job)).state is JobState.RUNNING
    await write_text(stage, "DROP TRIGGER no_room" + ("" if stage.database.shared is None else " ON jobs"))
    assert (await stage.ended(await stage.submit())).state is JobState.SUCCEEDED
    stage.clock.pass_by(seconds=61)
    await sweeper.sweep()
    row = await stage.ended(job)
    assert row.state is JobState.SUCCEEDED
    assert row.attempt == 2
    assert row.captured_micro == MICRO


async def write_text(stage, *statements):
    for statement in statements:
        await stage.database.write(lambda c, words=statement: c.execute(text(words)))

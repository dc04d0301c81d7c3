"""An attempt bears what passes, and gives up what does not."""

from __future__ import annotations

import asyncio

import pytest

from fluxhouse.core.jobs import JobState
from fluxhouse.engine.testcard import TestCard
from fluxhouse.worker import attempt


@pytest.fixture
def shut(tmp_path):
    """A store that takes nothing while this file stands where its folder should."""
    door = tmp_path / "files" / "outputs"
    door.parent.mkdir()
    door.touch()
    return door


async def test_a_store_that_comes_back_gets_the_picture(stage_with, working, shut):
    """A picture is made once and waits until the store can be reached again; its job is charged and ends well."""
    stage = stage_with(TestCard())
    job = await stage.submit()
    await working(stage)
    await asyncio.sleep(0.5)
    waiting = await stage.job(job)
    assert waiting.state is JobState.RUNNING

    shut.unlink()

    ended = await stage.ended(job)
    assert (ended.state, ended.attempt, len(ended.images)) == (JobState.SUCCEEDED, 1, 1)


async def test_a_store_that_stays_away_fails_the_job(stage_with, working, shut, monkeypatch):
    """Not for ever: after a while the job fails, free and worth another try."""
    monkeypatch.setattr(attempt, "_OUTAGE_SECONDS", 0.2)
    stage = stage_with(TestCard())
    job = await stage.submit()
    await working(stage)

    failed = await stage.ended(job)

    assert shut.is_file()
    assert (failed.state, failed.error.code, failed.error.retryable) == (JobState.FAILED, "storage_unavailable", True)
    assert failed.captured_micro == 0

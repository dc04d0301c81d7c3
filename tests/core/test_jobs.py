"""Jobs: what a row keeps, and who may see it."""

from datetime import timedelta

import pytest

from fluxhouse.core import jobs
from fluxhouse.core.jobs import JobState
from fluxhouse.generation.errors import UnknownJob
from fluxhouse.generation.request import Acceleration, GenerationRequest, OutputFormat, Task

FULL = GenerationRequest(
    model="flux-kontext-dev",
    prompt="a fox \u2013 \U0001f98a",
    width=1024,
    height=768,
    seed=2**32 - 1,
    count=2,
    task=Task.EDIT,
    steps=28,
    guidance=2.5,
    strength=0.75,
    inputs=("inputs/a.png", "inputs/b.png"),
    format=OutputFormat.WEBP,
    quality=91,
    acceleration=Acceleration.HIGH,
)


def test_a_row_keeps_all_of_a_job(house, ada):
    """Request, images, seconds and error come back equal to what was written."""
    job = house.job(ada, request=FULL)
    assert house.read(job) == job
    assert house.read(job).request == FULL
    (running,) = house.claim()
    ended = house.succeed(running)
    assert ended.images == tuple(house.outcome(running).images)
    assert (ended.inference_seconds, ended.error, ended.finished_at) == (2.5, None, house.now())


def test_only_the_owner_sees_a_job(house, ada):
    """A foreign id is as unknown as one that never was."""
    job = house.job(ada)
    assert house.see(jobs.owned, job.id, ada.account.id) == job
    for job_id, account_id in ((job.id, house.caller("ben").account.id), ("0" * 32, ada.account.id)):
        with pytest.raises(UnknownJob):
            house.see(jobs.owned, job_id, account_id)
    assert house.see(jobs.find, "0" * 32) is None


def test_what_is_outdated_has_ended_and_has_bytes(house, ada):
    """Past its expiry an ended job's output is due once; one that runs is not, one never started is overdue."""
    short = timedelta(minutes=1)
    ended, running = house.running(ada, lifetime=short), house.running(ada, lifetime=short)
    house.succeed(ended)
    waiting = house.job(ada, lifetime=short)
    house.clock.advance(minutes=1)
    assert house.see(jobs.outdated, house.now(), 10) == []
    assert [job.id for job in house.see(jobs.overdue, house.now(), 10)] == [waiting.id]
    house.clock.advance(hours=1)
    assert [job.id for job in house.see(jobs.outdated, house.now(), 10)] == [ended.id]
    house.do(jobs.output_removed, ended.id, house.now())
    assert house.see(jobs.outdated, house.now(), 10) == []
    assert house.read(running).state == "running"


def test_open_jobs_are_counted(house, ada):
    """Queued and running, and nothing that has ended."""
    assert house.see(jobs.count_open) == {"queued": 0, "running": 0}
    ended, running = house.running(ada), house.running(ada)
    house.succeed(ended)
    waiting = house.job(ada)
    assert house.see(jobs.count_open) == {"queued": 1, "running": 1}
    assert {job.id for job in house.see(jobs.open_jobs)} == {running.id, waiting.id}
    assert [job.id for job in house.see(jobs.running)] == [running.id]


def test_terminal_states_are_three():
    """Nothing leaves succeeded, failed and cancelled."""
    assert {state for state in JobState if state.terminal} == {"succeeded", "failed", "cancelled"}

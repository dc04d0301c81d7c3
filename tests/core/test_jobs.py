"""Jobs: what a row keeps, who may see it, and pages that stay where they were."""

import shutil
from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fluxhouse.core import jobs, settle
from fluxhouse.core.jobs import JobState
from fluxhouse.database.database import Database
from fluxhouse.generation.errors import OutOfMemory, UnknownJob
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


def test_pages_are_stable_while_jobs_arrive(house):
    """Walking back by cursor meets each job once, newest first, even among jobs of one microsecond."""
    caller = house.caller()
    for number in range(12):
        house.job(caller)
        if number % 4 == 0:
            house.clock.advance(microseconds=1)
    seen, before = [], None
    while page := house.see(jobs.page, caller.account.id, 5, before=before):
        seen += page
        before = (page[-1].created_at, page[-1].id)
        house.clock.advance(seconds=1)
        house.job(caller)
    assert len({job.id for job in seen}) == len(seen) == 12
    assert seen == sorted(seen, key=lambda job: (job.created_at, job.id), reverse=True)


@given(limit=st.integers(1, 7))
@settings(max_examples=7)
def test_every_page_size_walks_the_same_jobs(paged, limit):
    """The pages of any size, put together, are the list."""
    house, caller, everything = paged
    seen, before = [], None
    while page := house.see(jobs.page, caller.account.id, limit, before=before):
        assert len(page) <= limit
        seen += [job.id for job in page]
        before = (page[-1].created_at, page[-1].id)
    assert seen == everything


@pytest.fixture(scope="module")
def paged(template, tmp_path_factory, house_type):
    path = shutil.copy(template, tmp_path_factory.mktemp("paged"))
    house = house_type(Database(f"sqlite:///{path}"), f"sqlite:///{path}")
    caller = house.caller()
    for number in range(9):
        house.job(caller)
        house.clock.advance(seconds=number % 2)
    everything = [job.id for job in house.see(jobs.page, caller.account.id, 100)]
    yield house, caller, everything
    house.database.close()


def test_a_list_can_be_narrowed(house, ada):
    """By state and by the model asked; other accounts' jobs are never in it."""
    ended = house.succeed(house.running(ada))
    failed = house.do(settle.fail, house.running(ada), OutOfMemory(), house.now())
    waiting = house.job(ada)
    house.job(house.caller("ben"))

    def listed(**narrowed):
        return {job.id for job in house.see(jobs.page, ada.account.id, 10, **narrowed)}

    assert listed() == {ended.id, failed.id, waiting.id}
    assert listed(state=[JobState.FAILED, JobState.QUEUED]) == {failed.id, waiting.id}
    assert (listed(model="flux-dev"), listed(model="flux")) == (listed(), set())


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

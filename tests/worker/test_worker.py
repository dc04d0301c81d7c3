"""The worker ends every job exactly once, whatever its backend, its storage or its own end does."""

import asyncio

import pytest
from structlog.testing import capture_logs

from fluxhouse.core import settle
from fluxhouse.core.feed import ImageReady, StateChanged
from fluxhouse.core.jobs import JobState
from fluxhouse.engine.testcard import TestCard
from fluxhouse.generation.backend import StepDone
from fluxhouse.generation.credits import MICRO
from fluxhouse.generation.errors import GenerationFailed, InvalidParameter, OutOfMemory
from fluxhouse.generation.image import MadeImage
from fluxhouse.worker import attempt


async def test_a_job_is_made_and_charged(stage_with, working):
    """Every image asked for is durable, listed with its facts, and charged once."""
    stage = stage_with(TestCard())
    await working(stage)
    row = await stage.ended(await stage.submit(count=2, seed=7))
    assert row.state is JobState.SUCCEEDED
    assert [(image.index, image.seed, image.width) for image in row.images] == [(0, 7, 64), (1, 8, 64)]
    for image in row.images:
        content = await stage.storage.get(image.key)
        assert content.startswith(b"\x89PNG")
        assert len(content) == image.size_bytes
    assert row.inference_seconds is not None
    assert row.captured_micro == 2 * MICRO
    assert (await stage.balance()).total_micro == 998 * MICRO


async def test_hints_tell_of_steps_images_and_changes(stage_with, working):
    """Who watches a job hears of its start, of at most four steps a second with the last, of its image and its end."""
    stage = stage_with(TestCard(step_seconds=0.02))
    job = await stage.submit(steps=20)
    with stage.feed.subscribe(job.id) as hints:
        await working(stage)
        await stage.ended(job)
        await asyncio.sleep(0.05)
        heard = [hints.get_nowait() for _ in range(hints.qsize())]
    steps = [hint.step for hint in heard if isinstance(hint, StepDone)]
    assert steps[0] == 1
    assert steps[-1] == 20
    assert len(steps) <= 5
    assert heard[0] == heard[-1] == StateChanged()
    assert ImageReady(0, f"outputs/{job.id}/0.png") in heard
    assert stage.feed.step(job.id) is None


async def test_a_running_job_is_cancelled_at_its_next_step(stage_with, working):
    """A cancelled job ends within a step, free, and the backend works on the next one."""
    stage = stage_with(TestCard(step_seconds=0.05))
    await working(stage)
    job = await stage.submit(steps=1000)
    await stage.until(job, lambda _: stage.feed.step(job.id) is not None)
    asked = asyncio.get_running_loop().time()
    await stage.cancel(job)
    row = await stage.ended(job)
    assert asyncio.get_running_loop().time() - asked < 1
    assert row.state is JobState.CANCELLED
    assert row.captured_micro == 0
    assert (await stage.balance()).available_micro == 1000 * MICRO
    assert (await stage.ended(await stage.submit())).state is JobState.SUCCEEDED


async def test_a_cancelled_job_is_charged_for_what_was_delivered(stage_with, working):
    """Images that were durable before the cancel are kept, listed and charged, the others are not."""
    stage = stage_with(TestCard(step_seconds=0.03))
    await working(stage)
    job = await stage.submit(count=4, steps=10)
    with stage.feed.subscribe(job.id) as hints:
        async with asyncio.timeout(10):
            while not isinstance(await hints.get(), ImageReady):
                pass
    await stage.cancel(job)
    row = await stage.ended(job)
    assert row.state is JobState.CANCELLED
    assert len(row.images) == 1
    assert row.captured_micro == MICRO


async def test_a_cancel_between_claim_and_start_is_seen(stage_with, working):
    """A job cancelled while its worker is taking it up is never made."""
    stage = stage_with(TestCard())
    worker = stage.worker()
    job = await stage.submit()
    (claimed,) = await stage.take()
    await stage.cancel(claimed)
    await worker._making.work(claimed)
    row = await stage.job(job)
    assert row.state is JobState.CANCELLED
    assert row.images == ()


async def test_it_claims_what_the_backend_can_use(stage_with, working):
    """Never more than slots and one ahead are claimed, and every job has its turn."""
    stage = stage_with(TestCard(slots=2, step_seconds=0.02))
    submitted = [await stage.submit(str(number)) for number in range(8)]
    await working(stage)
    most = 0
    while True:
        rows = [await stage.job(job) for job in submitted]
        most = max(most, sum(row.state is JobState.RUNNING for row in rows))
        if all(row.state.terminal for row in rows):
            break
        await asyncio.sleep(0.01)
    assert most == 3
    assert {row.state for row in rows} == {JobState.SUCCEEDED}


async def test_a_claim_follows_a_submit_at_once(stage_with, working):
    """An idle worker needs no polling: the bell wakes it."""
    stage = stage_with(TestCard())
    await working(stage, idle_seconds=60)
    await asyncio.sleep(0.05)
    started = asyncio.get_running_loop().time()
    await stage.ended(await stage.submit())
    assert asyncio.get_running_loop().time() - started < 2


async def test_an_engines_death_spares_the_neighbours(stage_with, working, fragile):
    """Jobs on board of an engine that died run again one at a time; the one that kills it again fails, free."""
    stage = stage_with(fragile(slots=3, step_seconds=0.02))
    neighbours = [await stage.submit(name, steps=10) for name in ("one", "two")]
    killer = await stage.submit("poison", steps=10)
    later = await stage.submit("later", steps=10)
    await working(stage)
    rows = [await stage.ended(job) for job in (*neighbours, later)]
    assert {row.state for row in rows} == {JobState.SUCCEEDED}
    assert max(row.attempt for row in rows) == 2
    failed = await stage.ended(killer)
    assert failed.state is JobState.FAILED
    assert failed.error.code == "engine_crashed"
    assert not failed.error.retryable
    assert failed.captured_micro == 0
    assert stage.backend.most_at_work == 4


async def test_a_job_after_an_engines_death_runs_alone(stage_with, working, fragile):
    """While a suspect is on the device, nothing else is."""
    stage = stage_with(fragile(slots=3, step_seconds=0.02))
    killer = await stage.submit("poison", steps=50)
    others = [await stage.submit(f"{number}", steps=10) for number in range(4)]
    company = []

    async def watch():
        while True:
            # The deaths first: what is on the device is then looked at in the same breath as it is judged.
            if (await stage.job(killer)).engine_deaths and "poison" in stage.backend.at_work:
                company.append(list(stage.backend.at_work))
            await asyncio.sleep(0.005)

    watching = asyncio.create_task(watch())
    await working(stage)
    for job in (*others, killer):
        await stage.ended(job)
    watching.cancel()
    assert all(at_work == ["poison"] for at_work in company)


class Failing(TestCard):
    __test__ = False

    def __init__(self, failure: BaseException) -> None:
        super().__init__()
        self.failure = failure

    async def generate(self, request, inputs):
        if request.prompt == "fail":
            raise self.failure
        async for event in super().generate(request, inputs):
            yield event


@pytest.mark.parametrize(
    ("failure", "code", "retryable"),
    [
        (OutOfMemory(), "out_of_memory", False),
        (GenerationFailed("The picture came out as noise."), "generation_failed", True),
        (InvalidParameter("too wide", field="width"), "invalid_parameter", False),
        (ZeroDivisionError("secret inside"), "server_error", True),
    ],
)
async def test_a_failure_ends_its_job_typed_and_free(stage_with, working, failure, code, retryable):
    """A failed job says why in a stable code and costs nothing; what was not foreseen shows nothing of its inside."""
    stage = stage_with(Failing(failure))
    await working(stage)
    with capture_logs() as logs:
        row = await stage.ended(await stage.submit("fail"))
        fine = await stage.ended(await stage.submit())
    assert row.state is JobState.FAILED
    assert (row.error.code, row.error.retryable) == (code, retryable)
    assert "secret inside" not in row.error.message
    assert row.captured_micro == 0
    assert fine.state is JobState.SUCCEEDED
    traced = [entry for entry in logs if isinstance(entry.get("exc_info"), Exception)]
    assert len(traced) == (code == "server_error")


class HalfWay(TestCard):
    __test__ = False

    async def generate(self, request, inputs):
        async for event in super().generate(request, inputs):
            yield event
            if isinstance(event, MadeImage):
                raise OutOfMemory


async def test_a_job_that_ends_free_keeps_no_bytes(stage_with, working):
    """An image that was delivered before the job failed is not charged, and not given away."""
    stage = stage_with(HalfWay())
    worker = await working(stage)
    row = await stage.ended(await stage.submit(count=2))
    assert (row.state, row.captured_micro, row.images) == (JobState.FAILED, 0, ())
    await worker.stop()
    assert [key async for key in stage.storage.keys("outputs/")] == []


async def test_a_store_that_cannot_be_written_fails_the_job_and_nothing_else(stage_with, working, monkeypatch):
    """Where an image cannot be kept the job fails free and retryable, and the worker works on."""
    monkeypatch.setattr(attempt, "_OUTAGE_SECONDS", 0.2)
    stage = stage_with(TestCard())
    blocked = await stage.submit(count=2)
    # A file where its folder should be is what a store sees that cannot be written; permissions do not stop root.
    await stage.storage.put(f"outputs/{blocked.id}", b"in the way")
    await working(stage)
    row = await stage.ended(blocked)
    assert row.state is JobState.FAILED
    assert row.error.code == "storage_unavailable"
    assert row.error.retryable
    assert row.captured_micro == 0
    assert (await stage.ended(await stage.submit())).state is JobState.SUCCEEDED


async def test_an_input_that_is_gone_fails_the_job(stage_with, working):
    """A job whose input picture was lost fails with the file's error, free."""
    stage = stage_with(TestCard())
    await working(stage)
    row = await stage.ended(await stage.submit(inputs=("inputs/lost.png",)))
    assert row.state is JobState.FAILED
    assert row.error.code == "file_not_found"


async def test_inputs_reach_the_backend_as_paths(stage_with, working):
    """What the backend reads of an input is what storage keeps of it."""
    stage = stage_with(TestCard())
    await stage.storage.put("inputs/a.png", b"one")
    await working(stage)
    with_input = await stage.ended(await stage.submit(inputs=("inputs/a.png",)))
    without = await stage.ended(await stage.submit())
    first, second = [await stage.storage.get(row.images[0].key) for row in (with_input, without)]
    assert first != second


@pytest.mark.parametrize("stage_url", ["sqlite"], indirect=True)  # in a fleet the sweep sees to it
async def test_what_a_dead_worker_left_is_run_again(stage_with, working):
    """A job left running by a process that was killed is made after the next start, and charged once."""
    stage = stage_with(TestCard())
    job = await stage.submit()
    await stage.take()
    assert (await stage.job(job)).state is JobState.RUNNING
    await working(stage)
    row = await stage.ended(job)
    assert row.state is JobState.SUCCEEDED
    assert row.attempt == 2
    assert row.captured_micro == MICRO


async def test_a_stopping_worker_lets_jobs_end(stage_with):
    """Within the grace a running job ends as usual, and no new one is claimed."""
    stage = stage_with(TestCard(slots=1, step_seconds=0.02))
    worker = stage.worker(ahead=0)
    first, second = await stage.submit(steps=10), await stage.submit()
    running = asyncio.create_task(worker.run())
    await stage.until(first, lambda row: row.state is JobState.RUNNING)
    await worker.stop()
    await running
    assert (await stage.job(first)).state is JobState.SUCCEEDED
    assert (await stage.job(second)).state is JobState.QUEUED


async def test_a_stopping_worker_hands_back_what_is_not_done(stage_with, working):
    """After the grace a job waits again, which says nothing against it, and the next worker makes it."""
    stage = stage_with(TestCard(step_seconds=0.05))
    worker = stage.worker(grace_seconds=0.1)
    job = await stage.submit(steps=40)
    running = asyncio.create_task(worker.run())
    await stage.until(job, lambda row: row.state is JobState.RUNNING)
    await worker.stop()
    await running
    row = await stage.job(job)
    assert row.state is JobState.QUEUED
    assert row.engine_deaths == 0
    await working(stage)
    assert (await stage.ended(job)).state is JobState.SUCCEEDED


async def test_a_late_worker_changes_nothing(stage_with, working):
    """A job that was claimed again from a worker that fell silent is stopped there; only the newer attempt counts."""
    stage = stage_with(TestCard(step_seconds=0.05))
    worker = await working(stage)
    job = await stage.submit(steps=30)
    await stage.until(job, lambda row: row.state is JobState.RUNNING and worker._held)
    held = list(worker._held)
    await stage.database.write(lambda c: settle.recover(c, stage.clock.now()))
    stage.bell.ring()
    await asyncio.wait(held)
    assert (await stage.job(job)).state is JobState.RUNNING
    row = await stage.ended(job)
    assert row.state is JobState.SUCCEEDED
    assert row.attempt == 2
    assert row.captured_micro == MICRO


async def test_held_jobs_are_said_to_be_alive(stage_with, working):
    """While a job runs its heartbeat moves on."""
    stage = stage_with(TestCard(step_seconds=0.05))
    await working(stage, heartbeat_seconds=0.05)
    job = await stage.submit(steps=1000)
    started = await stage.until(job, lambda row: row.state is JobState.RUNNING)
    stage.clock.pass_by(seconds=30)
    row = await stage.until(job, lambda row: row.heartbeat_at > started.heartbeat_at)
    assert row.heartbeat_at == stage.clock.now()
    await stage.cancel(job)
    await stage.ended(job)

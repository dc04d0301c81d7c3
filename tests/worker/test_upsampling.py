"""A prompt is written out once for a job, whatever becomes of its attempts, and nothing is charged where that fails."""

import asyncio

import pytest

from fluxhouse.core.jobs import JobState
from fluxhouse.engine.testcard import TestCard
from fluxhouse.generation.errors import EngineDied, UpsamplingFailed

pytestmark = pytest.mark.parametrize("stage_url", ["sqlite"], indirect=True)


class Writer:
    """A language model that numbers its answers, thinks for a while, or fails."""

    def __init__(self, seconds=0.0, failure=None):
        self.seconds, self.failure = seconds, failure
        self.asked, self.began = [], asyncio.Event()

    async def upsample(self, request):
        self.asked.append(request)
        self.began.set()
        await asyncio.sleep(self.seconds)
        if self.failure is not None:
            raise self.failure
        return f"{request.prompt}, written out {len(self.asked)}"


class Seen(TestCard):
    """A test card that keeps the prompts it is given, and dies under the first."""

    __test__ = False

    def __init__(self, deaths=0):
        super().__init__()
        self.prompts, self.deaths = [], deaths

    async def generate(self, request, inputs):
        self.prompts.append(request.prompt)
        if len(self.prompts) <= self.deaths:
            raise EngineDied
        async for event in super().generate(request, inputs):
            yield event


@pytest.fixture
def staged(stage_with):
    """A stage with a backend and a language model."""

    def build(backend, writer):
        stage = stage_with(backend)
        stage.upsampler = writer
        return stage

    return build


async def test_images_are_made_of_the_words_of_the_model(staged, working):
    """They stand on the job, beside what was asked; a job that did not ask is left alone."""
    stage = staged(Seen(), Writer())
    asking, plain = await stage.submit("a fox", upsample=True), await stage.submit("a hen")
    await working(stage)
    asked, left = await stage.ended(asking), await stage.ended(plain)
    assert sorted(stage.backend.prompts) == ["a fox, written out 1", "a hen"]
    assert (asked.request.prompt, asked.request.asked_prompt) == ("a fox, written out 1", "a fox")
    assert (left.request.prompt, left.request.asked_prompt) == ("a hen", None)


async def test_every_attempt_has_the_same_words(staged, working):
    """The second one, after the death of the engine, asks no model again."""
    stage = staged(Seen(deaths=1), Writer())
    job = await stage.submit("a fox", upsample=True)
    await working(stage)
    ended = await stage.ended(job)
    assert (ended.state, ended.attempt) == (JobState.SUCCEEDED, 2)
    assert stage.backend.prompts == ["a fox, written out 1"] * 2
    assert len(stage.upsampler.asked) == 1


@pytest.mark.parametrize("writer", [Writer(failure=UpsamplingFailed()), None])
async def test_without_words_nothing_is_made_or_charged(staged, working, writer):
    """The model fails, or this worker knows none: typed, and worth another try."""
    stage = staged(Seen(), writer)
    job = await stage.submit(upsample=True)
    await working(stage)
    failed = await stage.ended(job)
    assert (failed.state, failed.error.code, failed.error.retryable) == (JobState.FAILED, "upsampling_failed", True)
    assert (failed.captured_micro, stage.backend.prompts) == (0, [])


async def test_a_job_is_cancelled_while_the_model_thinks(staged, working):
    """It is not waited for."""
    stage = staged(Seen(), Writer(seconds=60.0))
    job = await stage.submit(upsample=True)
    await working(stage)
    await stage.upsampler.began.wait()
    await stage.cancel(job)
    assert (await stage.ended(job)).state is JobState.CANCELLED


async def test_an_attempt_that_comes_late_changes_no_prompt(staged, working):
    """Where another attempt has the job meanwhile, its words stand."""
    stage = staged(Seen(), Writer(seconds=0.3))
    job = await stage.submit("a fox", upsample=True)
    await working(stage)
    await stage.upsampler.began.wait()
    await stage.database.write(lambda c: c.exec_driver_sql("UPDATE jobs SET attempt = 7") and None)
    await asyncio.sleep(0.5)
    row = await stage.job(job)
    assert (row.request.prompt, row.request.upsample, stage.backend.prompts) == ("a fox", True, [])

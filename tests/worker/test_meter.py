"""What a worker measures: claims, waits, ends and work by model, webhooks by outcome, engines as they are."""

import pytest

from fluxhouse.core.webhooks import WebhookState
from fluxhouse.engine.testcard import TestCard
from fluxhouse.generation.errors import GenerationFailed
from fluxhouse.worker.meter import WorkMeter

MODEL = {"model": "flux-dev"}


class Failing(TestCard):
    """Fails every request."""

    __test__ = False

    async def generate(self, request, inputs):
        raise GenerationFailed("no")
        yield


async def test_jobs_are_counted_by_model_and_end(stage_with, working):
    """Each claim, each end and each duration counts once."""
    stage = stage_with(TestCard())
    worker = await working(stage)
    for _ in range(2):
        await stage.ended(await stage.submit())
    await worker.stop()
    sample = worker._meter.registry.get_sample_value
    assert sample("fluxhouse_claims_total", MODEL) == 2
    assert sample("fluxhouse_jobs_ended_total", MODEL | {"state": "succeeded"}) == 2
    for name in ("fluxhouse_wait_seconds", "fluxhouse_inference_seconds", "fluxhouse_job_seconds"):
        assert sample(f"{name}_count", MODEL) == 2


async def test_a_failure_has_no_inference_time(stage_with, working):
    """A failed job counts as such, and lengthens no histogram of work."""
    stage = stage_with(Failing())
    worker = await working(stage)
    await stage.ended(await stage.submit())
    await worker.stop()
    sample = worker._meter.registry.get_sample_value
    assert sample("fluxhouse_jobs_ended_total", MODEL | {"state": "failed"}) == 1
    assert sample("fluxhouse_inference_seconds_count", MODEL) is None


async def test_returned_and_superseded_attempts_are_told_apart(stage_with):
    """An attempt whose job waits again, and one whose job somebody else has, are no ends."""
    meter = WorkMeter()
    stage = stage_with(TestCard())
    job = await stage.submit()
    meter.settled(job, job)
    meter.settled(job, None)
    sample = meter.registry.get_sample_value
    assert sample("fluxhouse_jobs_returned_total", MODEL) == 1
    assert sample("fluxhouse_jobs_superseded_total", MODEL) == 1
    assert sample("fluxhouse_jobs_ended_total", MODEL | {"state": "queued"}) is None


@pytest.mark.parametrize("state", [WebhookState.DELIVERED, WebhookState.PENDING, WebhookState.GIVEN_UP])
def test_webhook_attempts_are_counted_by_what_follows(state):
    """Each outcome is there from the start, so that a rate over it begins at zero."""
    meter = WorkMeter()
    sample = meter.registry.get_sample_value
    assert sample("fluxhouse_webhook_attempts_total", {"state": state}) == 0
    meter.attempted(state)
    assert sample("fluxhouse_webhook_attempts_total", {"state": state}) == 1


def test_engines_show_as_they_are():
    """Readiness and starts are read when they are asked for."""

    class Process:
        name, ready, starts = "fluxhouse-engine", True, 1

    process, meter = Process(), WorkMeter()
    meter.watch([process])
    sample = meter.registry.get_sample_value
    named = {"engine": "fluxhouse-engine"}
    assert (sample("fluxhouse_engine_ready", named), sample("fluxhouse_engine_starts_total", named)) == (1, 1)
    process.ready, process.starts = False, 2
    assert (sample("fluxhouse_engine_ready", named), sample("fluxhouse_engine_starts_total", named)) == (0, 2)

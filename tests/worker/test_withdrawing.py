"""Withdrawals: every provider is told for itself, and one that does not answer keeps no other from hearing."""

import asyncio
from contextlib import suppress

import pytest

from fluxhouse.core import errands
from fluxhouse.engine.testcard import TestCard
from fluxhouse.generation.errors import ProviderUnavailable
from fluxhouse.worker.meter import WorkMeter
from fluxhouse.worker.withdrawing import Withdrawals

pytestmark = pytest.mark.parametrize("stage_url", ["sqlite"], indirect=True)

MORE_THAN_A_BATCH = 101


class Far:
    """A provider that is asked to stop: it does, or cannot be reached, or keeps its caller waiting."""

    def __init__(self, name, how="well"):
        self.name, self.how, self.asked = name, how, []

    def keeping(self, errands):
        raise AssertionError("Nothing is made here.")

    async def withdraw(self, receipt):
        self.asked.append(receipt["id"])
        if self.how == "away":
            raise ProviderUnavailable
        if self.how == "mute":
            await asyncio.Event().wait()


@pytest.fixture
async def withdrawing(stage_with):
    """Looks for what a cancelled job left at these providers, a number of errands each, the first ones' before."""
    running = []

    async def start(left, **options):
        stage = stage_with(TestCard())
        job = await stage.submit()

        def leave(connection):
            for provider, number in left.items():
                for index in range(number):
                    errands.begin(connection, job.id, provider.name, index, stage.clock.now())
                    receipt = {"id": f"{provider.name}-{index}"}
                    errands.accept(connection, job.id, provider.name, index, receipt, stage.clock.now())
                stage.clock.pass_by(seconds=1)

        await stage.database.write(leave)
        await stage.cancel(job)
        remotes = {provider.name: provider for provider in left}
        withdrawals = Withdrawals(stage.database, remotes, stage.clock, WorkMeter(), period_seconds=0.01, **options)
        running.append(asyncio.create_task(withdrawals.run()))

    yield start
    for task in running:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def reached(provider, number):
    async with asyncio.timeout(5):
        while len(provider.asked) < number:  # noqa: ASYNC110  Nothing tells.
            await asyncio.sleep(0.01)


@pytest.mark.parametrize("how", ["away", "mute"])
async def test_a_provider_that_does_not_answer_starves_no_other(withdrawing, how):
    """However much is left over there, and however long it takes to say nothing."""
    dead, well = Far("dead", how), Far("well")
    await withdrawing({dead: MORE_THAN_A_BATCH, well: 1})
    await reached(well, 1)
    await reached(dead, MORE_THAN_A_BATCH - 1)
    await asyncio.sleep(0.1)
    assert (well.asked, len(dead.asked)) == (["well-0"], MORE_THAN_A_BATCH - 1)


async def test_a_provider_that_is_back_is_told(withdrawing):
    """It is left alone for a while and asked again."""
    dead = Far("dead", "away")
    await withdrawing({dead: 1}, away_seconds=0.2)
    await reached(dead, 1)
    await asyncio.sleep(0.05)
    assert len(dead.asked) == 1
    dead.how = "well"
    await reached(dead, 2)
    await asyncio.sleep(0.3)
    assert dead.asked == ["dead-0", "dead-0"]

"""The course of a job: who is asked next, who never is, who is waited for, and who goes on after a restart."""

import asyncio

import pytest

from fluxhouse.core.jobs import JobState
from fluxhouse.engine.testcard import TestCard
from fluxhouse.generation.backend import Serving
from fluxhouse.generation.errand import ErrandState
from fluxhouse.generation.errors import (
    OutOfMemory,
    PromptRefused,
    ProviderFailed,
    ProviderRefused,
    ProviderSilent,
    ProviderUnavailable,
)
from fluxhouse.worker.course import CourseOptions
from fluxhouse.worker.routing import Router

pytestmark = pytest.mark.parametrize("stage_url", ["sqlite"], indirect=True)

MODEL = "flux-dev"
QUICK = {"pause_seconds": 0.01, "longest_pause_seconds": 0.02}


class Card(TestCard):
    """A test card by another name, which raises these errors first, some after an image."""

    __test__ = False

    def __init__(self, name, *errors, after_images=0):
        super().__init__(name)
        self.errors, self.after_images, self.asked = list(errors), after_images, 0

    async def generate(self, request, inputs):
        self.asked += 1
        error, made = (self.errors.pop(0) if self.errors else None), 0
        async for event in super().generate(request, inputs):
            if error is not None and made >= self.after_images:
                raise error
            made += type(event).__name__ == "MadeImage"
            yield event


class FarCard(Card):
    """One that keeps errands, each with a receipt."""

    def __init__(self, name, *errors, **options):
        super().__init__(name, *errors, **options)
        self.fresh, self.withdrawn = [], []

    def keeping(self, errands):
        return Kept(self, errands)

    async def withdraw(self, receipt):
        self.withdrawn.append(receipt["id"])


class Kept:
    def __init__(self, card, errands):
        self.card, self.errands, self.name, self.slots = card, errands, card.name, 1

    async def generate(self, request, inputs):
        errand = await self.errands.begin(self.name, 0)
        self.card.fresh.append(errand.fresh)
        if errand.fresh:
            await self.errands.accepted(errand, {"id": f"{self.name}-1"})
        async for event in self.card.generate(request, inputs):
            yield event
        await self.errands.ended(errand, ErrandState.MADE, 25_000)


@pytest.fixture
def routed(stage_with, working):
    """A stage whose one model has these backends, and a worker at work on it."""

    async def start(*backends, **options):
        stage = stage_with(TestCard())
        first, *others = backends
        stage.router = Router({MODEL: first}, {MODEL: Serving(first.name, 4, 3.5)}, {MODEL: others})
        stage.at_work = await working(stage, course=CourseOptions(**QUICK | options), grace_seconds=0.0)
        return stage

    return start


async def test_the_next_backend_makes_what_the_first_could_not(routed):
    """The job says who made it; a part of the first one's images is neither kept twice nor charged twice."""
    first, second = Card("first", OutOfMemory(), after_images=1), Card("second")
    stage = await routed(first, second)
    row = await stage.ended(await stage.submit(count=2))
    assert (row.state, row.served_by) == (JobState.SUCCEEDED, "second")
    assert [image.index for image in row.images] == [0, 1]
    assert row.captured_micro == 2 * row.price_micro


@pytest.mark.parametrize(
    ("error", "allowed", "served_by"),
    [
        (ProviderRefused(), False, "second"),
        (ProviderFailed(charged=False), False, "second"),
        (ProviderFailed(charged=True), False, None),
        (ProviderSilent(charged=True), False, None),
        (ProviderSilent(charged=True), True, "second"),
        (PromptRefused(), True, None),
    ],
)
async def test_who_may_have_charged_is_the_last_one_asked(routed, error, allowed, served_by):
    """Unless the operator allows to pay twice; a prompt that one refused is shown to nobody else."""
    second = Card("second")
    stage = await routed(Card("first", error), second, after_charge=allowed)
    row = await stage.ended(await stage.submit())
    assert second.asked == (served_by is not None)
    if served_by is None:
        assert (row.state, row.error.code, row.captured_micro) == (JobState.FAILED, error.code, 0)
    else:
        assert (row.state, row.served_by) == (JobState.SUCCEEDED, served_by)


@pytest.mark.parametrize("error", [ProviderFailed(charged=True), ProviderUnavailable(charged=True)])
async def test_after_a_charge_those_passed_over_before_are_not_asked_either(routed, error):
    """Who may have charged is the last one asked, whoever was unavailable before."""
    first, second = Card("first", ProviderUnavailable()), Card("second", error)
    stage = await routed(first, second)
    await stage.ended(await stage.submit())
    assert first.asked == 1


async def test_a_job_waits_for_providers_that_cannot_now(routed):
    """All are asked in turn until one can; who has refused for good is not asked again."""
    never, later = Card("never", ProviderRefused()), Card("later", *[ProviderUnavailable() for _ in range(3)])
    stage = await routed(never, later)
    row = await stage.ended(await stage.submit())
    assert (row.served_by, never.asked, later.asked) == ("later", 1, 4)


async def test_patience_ends(routed):
    """A job that nobody takes fails, free, and says that trying again may help."""
    stage = await routed(Card("first", *[ProviderUnavailable() for _ in range(500)]), patience_seconds=0.05)
    row = await stage.ended(await stage.submit())
    assert (row.error.code, row.error.retryable, row.captured_micro) == ("provider_unavailable", True, 0)


async def test_a_job_that_waits_for_a_provider_is_cancelled(routed):
    """At once, and free."""
    card = Card("first", *[ProviderUnavailable() for _ in range(500)])
    stage = await routed(card)
    job = await stage.submit()
    await stage.until(job, lambda _: card.asked > 0)
    await stage.cancel(job)
    assert (await stage.ended(job)).state is JobState.CANCELLED


async def test_who_holds_an_errand_goes_on_with_it_first(routed, working):
    """After a restart the provider that was sent for it is asked before the one that comes first in the route."""
    first, second = FarCard("first"), FarCard("second")
    second._step_seconds = 10.0
    stage = await routed(Card("gone", ProviderRefused()), second, first)
    job = await stage.submit()
    await stage.until(job, lambda _: second.fresh)
    await stage.at_work.stop()
    second._step_seconds = 0.0
    stage.router = Router({MODEL: first}, {MODEL: Serving("first", 4, 3.5)}, {MODEL: [second]})
    await working(stage, course=CourseOptions(**QUICK))
    row = await stage.ended(job)
    assert (row.served_by, second.fresh, first.fresh) == ("second", [True, False], [])


async def test_what_was_cancelled_while_nobody_worked_is_withdrawn(routed, working):
    """A job that waits after a restart has left its errand at the provider, and its end finds it there."""
    card = FarCard("first")
    card._step_seconds = 10.0
    stage = await routed(card)
    job = await stage.submit()
    await stage.until(job, lambda _: card.asked > 0)
    await stage.at_work.stop()
    await stage.cancel(job)
    assert (await stage.job(job)).state is JobState.CANCELLED
    assert card.withdrawn == []
    await working(stage)
    async with asyncio.timeout(5):
        while not card.withdrawn:  # noqa: ASYNC110  Nothing tells.
            await asyncio.sleep(0.01)


async def test_what_a_cancelled_job_left_is_withdrawn(routed):
    """The provider is told within moments that nobody wants it any more."""
    card = FarCard("first")
    card._step_seconds = 10.0
    stage = await routed(card)
    job = await stage.submit()
    await stage.until(job, lambda _: card.asked > 0)
    await stage.cancel(job)
    await stage.ended(job)
    async with asyncio.timeout(5):
        while not card.withdrawn:  # noqa: ASYNC110  Nothing tells.
            await asyncio.sleep(0.01)
    assert card.withdrawn == ["first-1"]

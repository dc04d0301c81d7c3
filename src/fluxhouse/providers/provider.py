"""A vendor as a backend: each image sent for once, looked after across restarts, and brought in the form asked for."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, AsyncIterator, Coroutine, Iterable, Mapping, Sequence
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

import structlog

from fluxhouse.generation.backend import Finished, Progress
from fluxhouse.generation.errand import Errand, Errands, ErrandState
from fluxhouse.generation.errors import (
    PromptRefused,
    ProviderFailed,
    ProviderRefused,
    ProviderSilent,
    ProviderUnavailable,
)
from fluxhouse.generation.image import MadeImage
from fluxhouse.generation.request import GenerationRequest
from fluxhouse.providers.breaker import Breaker
from fluxhouse.providers.host import PictureGone, Refusal, Unanswered
from fluxhouse.providers.pictures import Picture, fitted
from fluxhouse.providers.vendor import Made, Vendor, Wish

T = TypeVar("T")
log = structlog.get_logger()

_RECEIPT_SECONDS = 10.0  # how long the answer to a sending is waited for whose job has been stopped
_OVER = (ErrandState.FAILED, ErrandState.WITHDRAWN)


@dataclass(frozen=True, slots=True)
class ProviderOptions:
    """`slots` images are in the making at once. `exact`: the vendor keeps idempotency keys, as a Fluxhouse does.

    `patience_seconds` is how long one image may take, and how long a vendor that is out of reach is asked after it;
    `gone_seconds` how long a picture is asked for that is not where the vendor says.
    """

    slots: int = 8
    exact: bool = False
    look_seconds: float = 0.25
    longest_look_seconds: float = 2.0
    patience_seconds: float = 1800.0
    gone_seconds: float = 60.0


class Provider:
    """One vendor. `models` gives its names for those of ours that it makes."""

    def __init__(
        self, vendor: Vendor, models: Mapping[str, str], options: ProviderOptions, breaker: Breaker | None = None
    ) -> None:
        self.name = vendor.name
        self.slots = options.slots
        self.vendor = vendor
        self.models = models
        self.options = options
        self.breaker = breaker or Breaker(vendor.name)
        self.places = asyncio.Semaphore(options.slots)

    @property
    def is_open(self) -> bool:
        """Whether the vendor is left alone after too many failures."""
        return self.breaker.is_open

    def keeping(self, errands: Errands) -> Round:
        """The backend for one job."""
        return Round(self, errands)

    def generate(self, request: GenerationRequest, inputs: Sequence[Path]) -> AsyncGenerator[Progress, None]:
        """Without a record of errands, as for one picture from the command line: a crash would forget them."""
        return self.keeping(Unkept()).generate(request, inputs)

    async def withdraw(self, receipt: Mapping[str, str]) -> None:
        """Ask the vendor to stop."""
        await self.vendor.withdraw(receipt)

    async def aclose(self) -> None:
        await self.vendor.host.aclose()


class Unkept:
    """Errands that nobody keeps."""

    async def begin(self, provider: str, index: int) -> Errand:
        """Always a fresh one."""
        return Errand(provider, index, f"fluxhouse-{time.time_ns()}-{index}", ErrandState.SENDING, fresh=True)

    async def accepted(self, errand: Errand, receipt: Mapping[str, str]) -> None: ...

    async def ended(self, errand: Errand, state: ErrandState, cost_micro_usd: int = 0) -> None: ...


class Round:
    """A provider at work for one job."""

    def __init__(self, provider: Provider, errands: Errands) -> None:
        self._provider = provider
        self._errands = errands
        self._vendor = provider.vendor
        self._options = provider.options

    @property
    def name(self) -> str:
        return self._provider.name

    @property
    def slots(self) -> int:
        return self._provider.slots

    async def generate(self, request: GenerationRequest, inputs: Sequence[Path]) -> AsyncGenerator[Progress, None]:
        """Yield each image when it is there, from as many errands, and `Finished`. Closing it withdraws nothing.

        Where one fails the others are waited for all the same: they are paid for. Once there is one, those for which
        the vendor was not available are tried again until the patience is over.
        """
        started = time.monotonic()
        _refuse_our_own(self.name, request)
        pictures = await asyncio.to_thread(lambda: [Picture.read(path) for path in inputs])
        missing, made = set(range(request.count)), False
        while missing:
            failures: list[ProviderFailed | PromptRefused] = []
            async with aclosing(self._tried(request, missing, pictures)) as tried:
                async for image in tried:
                    if isinstance(image, MadeImage):
                        missing, made = missing - {image.index}, True
                        yield image
                    else:
                        failures.append(image)
            if missing:
                worst, seconds = _worst(failures, made), time.monotonic() - started
                mends = made and isinstance(worst, ProviderUnavailable) and seconds < self._options.patience_seconds
                if not mends:
                    raise worst
                await asyncio.sleep(self._options.longest_look_seconds)
        yield Finished(time.monotonic() - started)

    async def _tried(
        self, request: GenerationRequest, indexes: Iterable[int], pictures: Sequence[Picture]
    ) -> AsyncGenerator[MadeImage | ProviderFailed | PromptRefused, None]:
        """Run the errands of these images together; each one's picture, or what kept it from coming."""
        tasks = [asyncio.create_task(self._run(request, index, pictures)) for index in sorted(indexes)]
        try:
            for next_done in asyncio.as_completed(tasks):
                try:
                    yield await next_done
                except (ProviderFailed, PromptRefused) as failure:
                    yield failure
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _run(self, request: GenerationRequest, index: int, pictures: Sequence[Picture]) -> MadeImage:
        """One errand, from wherever it stands to its picture."""
        async with self._provider.places:
            errand = await self._errands.begin(self.name, index)
            one = replace(request, count=1, seed=request.image_seed(index))
            wish = Wish(one, self._provider.models[request.model], pictures, errand.key)
            if errand.state in _OVER:
                raise ProviderFailed("The provider has failed at it before.", charged=not self._options.exact)
            sent = errand.receipt or await self._surely_sent(errand, wish)
            made = await self._awaited(errand, wish, sent)
            receipt = {} if isinstance(sent, Made) else sent
            content = await _fetched(self._vendor, made, receipt, self._options)
            content = await asyncio.to_thread(fitted, content, one)
        # A vendor that flags a picture sends a black one in its place.
        return MadeImage(
            index, content, one.format.content_type, one.width, one.height, one.seed, made.nsfw, withheld=made.nsfw
        )

    async def _awaited(self, errand: Errand, wish: Wish, sent: Mapping[str, str] | Made) -> Made:
        """The image where it is ready; its errand is then kept as made."""
        if isinstance(sent, Made):
            made = sent
        else:
            async with _ends_kept(self._errands, errand, accepted=True):
                made = await self._looked_after(sent)
        cost = self._vendor.prices.micro_usd(wish) if made.cost_micro_usd is None else made.cost_micro_usd
        await self._errands.ended(errand, ErrandState.MADE, cost)
        return made

    async def _surely_sent(self, errand: Errand, wish: Wish) -> Mapping[str, str] | Made:
        """`_sent`; a receipt that is on its way is kept though its job stops."""
        sending = self._sent(errand, wish)
        return await (_carried_through(sending) if self._vendor.has_receipts else sending)

    async def _sent(self, errand: Errand, wish: Wish) -> Mapping[str, str] | Made:
        """What the vendor answers to the one sending; with idempotency keys, to the same one again.

        Where it may have arrived before and the vendor keeps no keys, nothing is sent: `ProviderSilent`.
        """
        if not errand.fresh and not self._options.exact:
            raise ProviderSilent(charged=True)
        async with _ends_kept(self._errands, errand, accepted=False):
            try:
                sent = await self._asked(wish)
            except ProviderUnavailable as failure:
                # An earlier sending may have arrived though this one has not.
                failure.charged = not errand.fresh
                if errand.fresh:
                    await self._errands.ended(errand, ErrandState.REFUSED)
                raise
            except Unanswered:
                log.warning("provider_silent", provider=self.name, image=errand.index)
                if self._options.exact:
                    raise ProviderUnavailable(f"{self.name} did not answer.", charged=True) from None
                raise ProviderSilent(charged=True) from None
        if not isinstance(sent, Made):
            await self._errands.accepted(errand, sent)
        return sent

    async def _asked(self, wish: Wish) -> Mapping[str, str] | Made:
        """Send where the breaker lets through, and tell it what came of that; being kept out is no failure."""
        breaker = self._provider.breaker
        breaker.enter()
        try:
            sent = await self._vendor.send(wish)
        except (ProviderUnavailable, Unanswered):
            breaker.failed()
            raise
        except (Refusal, PromptRefused):  # an answer, too
            breaker.succeeded()
            raise
        breaker.succeeded()
        return sent

    async def _looked_after(self, receipt: Mapping[str, str]) -> Made:
        """Ask until the image is ready; a vendor that is out of reach meanwhile is asked again."""
        deadline = time.monotonic() + self._options.patience_seconds
        pause = self._options.look_seconds
        while True:
            try:
                if (made := await self._vendor.look(receipt)) is not None:
                    return made
            except ProviderUnavailable:
                if time.monotonic() > deadline:
                    raise
            if time.monotonic() > deadline:
                raise ProviderFailed(f"{self.name} did not finish in time.", charged=True)
            await asyncio.sleep(pause)
            pause = min(pause * 1.5, self._options.longest_look_seconds)


def _refuse_our_own(name: str, request: GenerationRequest) -> None:
    """Raise `ProviderRefused` for what only our own engine makes."""
    if request.loras:
        raise ProviderRefused(f"{name} cannot be given LoRAs.", field="loras")
    if request.negative_prompt is not None:
        raise ProviderRefused(f"{name} cannot be given a negative prompt.", field="negative_prompt")


def _worst(failures: Sequence[ProviderFailed | PromptRefused], made: bool) -> ProviderFailed | PromptRefused:
    """A refused prompt, else one that time does not mend, where there is one; charged for as soon as anything is."""
    failed: list[ProviderFailed] = []
    for one in failures:
        if isinstance(one, PromptRefused):
            return one
        failed.append(one)
    worst = next((one for one in failed if not isinstance(one, ProviderUnavailable)), failed[0])
    worst.charged = made or any(one.charged for one in failed)
    return worst


@asynccontextmanager
async def _ends_kept(errands: Errands, errand: Errand, *, accepted: bool) -> AsyncIterator[None]:
    """Around what may end an errand for good: how it ended is kept."""
    try:
        yield
    except PromptRefused:
        await errands.ended(errand, ErrandState.FAILED)
        raise
    except (ProviderUnavailable, ProviderSilent):
        raise
    except ProviderFailed as failure:
        # What was refused has never begun, and may be sent again.
        state = ErrandState.FAILED if accepted or failure.charged else ErrandState.REFUSED
        await errands.ended(errand, state)
        raise


async def _carried_through(sending: Coroutine[Any, Any, T]) -> T:
    """What it comes to; where its caller is cancelled it has a while yet to end, so that no receipt is thrown away."""
    task = asyncio.create_task(sending)
    try:
        await asyncio.wait({task})
    except asyncio.CancelledError:
        try:
            await asyncio.wait({task}, timeout=_RECEIPT_SECONDS)
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
        raise
    return task.result()


async def _fetched(vendor: Vendor, made: Made, receipt: Mapping[str, str], options: ProviderOptions) -> bytes:
    """The picture, asked for again while its host is out of reach, and for a shorter while where it is not there."""
    place, started, gone_since = made.place, time.monotonic(), None
    while not isinstance(place, bytes):
        try:
            return await vendor.host.image(place)
        except ProviderUnavailable:
            if time.monotonic() > started + options.patience_seconds:
                raise
        except PictureGone as gone:
            gone_since = gone_since or time.monotonic()
            if time.monotonic() > gone_since + options.gone_seconds:
                raise ProviderFailed(gone.message, charged=True) from gone
        log.warning("provider_image_delayed", provider=vendor.name)
        await asyncio.sleep(options.longest_look_seconds)
        if gone_since is not None and receipt:
            place = await _place_now(vendor, receipt) or place
    return place


async def _place_now(vendor: Vendor, receipt: Mapping[str, str]) -> str | bytes | None:
    """Where the vendor says that the picture lies; None where it does not say now."""
    try:
        made = await vendor.look(receipt)
    except ProviderUnavailable:
        return None
    return None if made is None else made.place

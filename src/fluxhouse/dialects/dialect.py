"""The one door: every accent comes in here for keys, limits, submits, waits and polls, and decides nothing itself."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from decimal import Decimal
from typing import TypeVar

from sqlalchemy import Connection
from starlette.types import Receive

from fluxhouse.catalog.catalog import Catalog
from fluxhouse.core import idempotency, jobs, keys, limits
from fluxhouse.core.bell import Bell
from fluxhouse.core.cancel import cancel
from fluxhouse.core.feed import Feed, StateChanged
from fluxhouse.core.idempotency import IdempotencyKey
from fluxhouse.core.jobs import Job, Terms
from fluxhouse.core.keys import Caller, Scope
from fluxhouse.core.model_terms import Offer
from fluxhouse.core.removal import remove_output
from fluxhouse.core.submit import Refused, Submission, Submitted, refuse, submit
from fluxhouse.database.database import Database
from fluxhouse.dialects import waiting
from fluxhouse.dialects.intake import Intake
from fluxhouse.dialects.loras import LoraIntake, LoraOptions
from fluxhouse.dialects.wire import BodyTooLarge, BodyTooSlow, ClientGone, WrongMediaType, WrongMethod
from fluxhouse.generation import errors
from fluxhouse.generation.backend import Serving
from fluxhouse.generation.clock import Clock
from fluxhouse.generation.errors import InvalidKey, JobAlreadyEnded, ModelUnavailable, PlatformError, RateLimited
from fluxhouse.generation.image import DeliveredImage
from fluxhouse.generation.moderation import USUAL_TOLERANCE, Moderation
from fluxhouse.generation.request import GenerationRequest
from fluxhouse.storage.fetch import Fetcher
from fluxhouse.storage.opening import Store
from fluxhouse.storage.urls import UrlSigner
from fluxhouse.tracing.spans import now_ns, record

T = TypeVar("T")

_STATUSES: Mapping[type[PlatformError], int] = {
    WrongMethod: 405,
    BodyTooSlow: 408,
    BodyTooLarge: 413,
    WrongMediaType: 415,
    ClientGone: 400,
    errors.FileQuotaExceeded: 413,
    errors.RequestRejected: 400,
    errors.KeyNotAllowed: 403,
    errors.AccountSuspended: 403,
    errors.AccessDenied: 401,
    errors.InsufficientCredits: 402,
    errors.RateLimited: 429,
    errors.NotFound: 404,
    errors.Gone: 410,
    errors.IdempotencyMismatch: 422,
    errors.Conflict: 409,
    errors.ModelUnavailable: 503,
    errors.StorageUnavailable: 503,
    errors.DatabaseUnavailable: 503,
}


def status_of(error: PlatformError) -> int:
    """The HTTP status of an error where a dialect has none of its own: that of its nearest class, else 500."""
    return next((_STATUSES[kind] for kind in type(error).__mro__ if kind in _STATUSES), 500)


@dataclass(frozen=True, slots=True)
class DoorOptions:
    """What the operator decides: `output_ttl` is how long after submit an output is kept.

    `sign_up` says whether strangers may make accounts.
    """

    pepper: bytes
    public_url: str
    output_ttl: timedelta
    serving: Offer
    usd_per_credit: Decimal
    sign_up: bool = False
    loras: LoraOptions = field(default_factory=LoraOptions)


@dataclass(frozen=True, slots=True)
class Order:
    """A valid request as a dialect hands it in; `model` is the catalog entry asked, `price_micro` that of one image."""

    dialect: str
    model: str
    request: GenerationRequest
    price_micro: int
    idempotency: IdempotencyKey | None = None
    webhook_url: str | None = None
    patience: timedelta | None = None
    terms: Terms = field(default_factory=Terms)


class Door:
    """What a dialect may do, in the platform's own words; errors are classes of `generation/errors.py`."""

    def __init__(
        self,
        database: Database,
        catalog: Catalog,
        storage: Store,
        signer: UrlSigner,
        fetcher: Fetcher,
        feed: Feed,
        bell: Bell,
        clock: Clock,
        options: DoorOptions,
    ) -> None:
        self.database = database
        self.catalog = catalog
        self.storage = storage
        self.signer = signer
        self.feed = feed
        self.clock = clock
        self.options = options
        self._bell = bell
        self.intake = Intake(database, storage, signer, fetcher)
        self.loras = LoraIntake(database, storage, signer, fetcher, options.loras)

    async def authenticate(self, key_text: str | None, scope: Scope | None) -> Caller:
        """Whose key this is; raises `InvalidKey`, `AccountSuspended`, or `KeyNotAllowed` where it lacks `scope`.

        None asks for no scope: a submit checks it itself, so that its refusal is counted.
        """
        return await self.ask(key_text, scope, lambda _connection, caller: caller)

    async def ask(self, key_text: str | None, scope: Scope | None, query: Callable[[Connection, Caller], T]) -> T:
        """Authenticate and answer `query` on the same snapshot: one read in all."""
        if not key_text:
            raise InvalidKey
        now = self.clock.now()

        def on_snapshot(connection: Connection) -> T:
            caller = keys.authenticate(connection, key_text, self.options.pepper, now)
            if scope is not None:
                caller.key.require(scope)
            return query(connection, caller)

        return await self.database.read(on_snapshot)

    def require_serving(self, model: str) -> Serving:
        """Who makes the images of that catalog model here; raises `ModelUnavailable`."""
        serving = self.options.serving.get(model)
        if serving is None:
            raise ModelUnavailable(f"no backend of this installation serves `{model}` now")
        return serving

    async def replay(self, caller: Caller, model: str, sent: IdempotencyKey) -> Submitted | Refused | None:
        """The first answer to the same submit, before anything is done for it; None where it is new."""
        now = self.clock.now()
        if not await self.database.read(lambda c: idempotency.is_kept(c, caller.account.id, sent.key, now)):
            return None
        return await self.database.write(lambda connection: _replay(connection, caller, model, sent, now))

    async def submit(self, caller: Caller, order: Order) -> Submitted | Refused:
        """Take the order in, durably, and wake the worker; a repeat leaves no inputs. Raises `ModelUnavailable`."""
        request = order.request
        try:
            serving = self.require_serving(request.model)
        except ModelUnavailable:
            await self.intake.discard(request.inputs)
            raise
        request = _as_moderated(request, serving.moderation)
        submission = Submission(
            caller=caller,
            dialect=order.dialect,
            model=order.model,
            served_by=serving.backend,
            request=request,
            price_micro=order.price_micro,
            steps=request.steps or serving.steps,
            lifetime=self.options.output_ttl,
            idempotency=order.idempotency,
            webhook_url=order.webhook_url,
            patience=order.patience,
            terms=order.terms,
        )
        now, started = self.clock.now(), now_ns()
        answer = await self.database.write(lambda c: submit(c, submission, now))
        if isinstance(answer, Refused) or answer.replayed:
            await self.intake.discard(request.inputs)
            return answer
        self._bell.ring()
        record("submit", answer.job.id, started, dialect=order.dialect, model=order.model)
        return answer

    async def refuse(self, caller: Caller, model: str, error: PlatformError) -> Refused:
        """Note a submit that did not get as far as `submit`: its rate is counted, and the refusal shows in usage."""
        known = model if any(model == entry.id for entry in self.catalog.models) else "unknown"
        return await self.database.write(lambda connection: refuse(connection, caller, known, error, self.clock.now()))

    async def job(self, caller: Caller, job_id: str) -> Job:
        """The caller's own job; raises `UnknownJob`."""
        return await self.database.read(lambda connection: jobs.owned(connection, job_id, caller.account.id))

    async def any_job(self, job_id: str) -> Job:
        """The job with that id, for a dialect in which the id alone is the capability; raises `UnknownJob`."""
        return await self.database.read(lambda connection: jobs.get(connection, job_id))

    async def cancel(self, caller: Caller, job_id: str) -> Job:
        """The caller's job after the request to stop; raises `UnknownJob` or `JobAlreadyEnded`."""
        return await self._cancel(await self.job(caller, job_id))

    async def wait(self, job_id: str, seconds: float) -> Job:
        """The job once it has ended, or as it stands after `seconds`."""
        return await waiting.until_ended(self.database, self.feed, job_id, seconds)

    async def wait_connected(self, receive: Receive, job: Job, seconds: float, *, kept: bool) -> Job | None:
        """`wait` for a client that holds the connection open; None where it went away, as `while_connected` says."""
        return await self.while_connected(receive, job, self.wait(job.id, seconds), kept=kept)

    async def while_connected(
        self, receive: Receive, job: Job, following: Coroutine[None, None, Job], *, kept: bool
    ) -> Job | None:
        """What `following` the job brings to a client that holds the connection open; None where it went away.

        Then nobody can ask for the job any more, and it is cancelled, unless it is `kept` for a repeat.
        """
        after = await waiting.unless_disconnected(receive, asyncio.create_task(following))
        if after is None and not kept:
            await self.abandon(job)
        return after

    async def abandon(self, job: Job) -> None:
        """Cancel a job that nobody can ask for any more, if it has not ended."""
        with suppress(JobAlreadyEnded):
            await self._cancel(job)

    async def remove_output(self, job: Job) -> None:
        """Delete an ended job's images, and its inputs, before their time."""
        await remove_output(self.database, self.storage, job, self.clock.now())

    def output_url(self, job: Job, image: DeliveredImage) -> str:
        """Where anyone who is given it may read the image until the job's output expires."""
        return self.signer.sign(image.key, job.expires_at)

    async def _cancel(self, job: Job) -> Job:
        now = self.clock.now()
        after = await self.database.write(lambda connection: cancel(connection, job, now))
        self.feed.publish(job.id, StateChanged())
        return after


def _as_moderated(request: GenerationRequest, moderation: Moderation) -> GenerationRequest:
    """The request with its tolerance where a checker looks, and none where that is switched off for the model.

    Where nobody looks at all it is the usual one: an earlier version beside this one can then read the request.
    """
    if moderation is Moderation.CHECKER:
        return request
    return replace(request, tolerance=None if moderation is Moderation.DISABLED else USUAL_TOLERANCE)


def _replay(
    connection: Connection, caller: Caller, model: str, sent: IdempotencyKey, now: datetime
) -> Submitted | Refused | None:
    try:
        first = idempotency.recall(connection, caller.account.id, sent, now)
    except PlatformError as error:
        return refuse(connection, caller, model, error, now)
    if first is None:
        return None
    window = limits.count(connection, caller.key, now)
    if window.exceeded:
        return Refused(RateLimited(retry_after_seconds=window.seconds_left(now)), window)
    return Submitted(jobs.get(connection, first.job_id), first.available_micro, window, replayed=True)

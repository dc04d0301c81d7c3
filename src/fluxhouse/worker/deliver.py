"""Delivers webhooks: what is due in the table is sent, signed, at least once, and no receiver delays another."""

from __future__ import annotations

import asyncio
import hashlib
import json
import random
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from time import perf_counter
from typing import Any

import structlog

from fluxhouse.core import jobs, webhook_secrets, webhooks
from fluxhouse.core.bell import Bell
from fluxhouse.core.jobs import Job, JobState
from fluxhouse.core.signing import signed_headers
from fluxhouse.core.webhooks import Sent, Webhook, WebhookState
from fluxhouse.database.database import Database
from fluxhouse.generation.clock import Clock
from fluxhouse.generation.errors import RequestRejected
from fluxhouse.storage.fetch import Fetcher
from fluxhouse.tracing.spans import now_ns, record
from fluxhouse.worker.meter import WorkMeter

log = structlog.get_logger()

# The message about a job, and the headers for one sending of it: by id, moment, body and the account's secrets.
Renderer = Callable[[Job], Mapping[str, Any]]
Signer = Callable[[str, datetime, bytes, Sequence[bytes]], Mapping[str, str]]

FIELD = "webhook_url"
_GATHER_SECONDS = 0.1  # one look for what rings meanwhile: each process of a fleet hears of every change of every job
_TYPES = {
    JobState.SUCCEEDED: "job.completed",
    JobState.FAILED: "job.failed",
    JobState.CANCELLED: "job.cancelled",
}


@dataclass(frozen=True, slots=True)
class Telling:
    """How one dialect tells of its jobs: `render` words the message, `sign` vouches for it, by default as Standard
    Webhooks do, and `beside` gives further headers, by job and body.
    """

    render: Renderer
    sign: Signer = signed_headers
    beside: Callable[[Job, bytes], Mapping[str, str]] = lambda _job, _body: {}


def enveloped(job_body: Renderer, *, black_is_a_result: bool = False) -> Renderer:
    """The native message: what kind of end it was, when it came, and the job as `job_body` answers who asks for it.

    To some dialects black pictures in the place of withheld ones are a result as well.
    """

    def message(job: Job) -> Mapping[str, Any]:
        assert job.finished_at is not None, "due only once the job has ended"
        state = JobState.SUCCEEDED if black_is_a_result and job.all_withheld else job.state
        return {"type": _TYPES[state], "timestamp": _moment(job.finished_at), "data": job_body(job)}

    return message


@dataclass(frozen=True, slots=True)
class DeliverOptions:
    """`per_host` and `per_account` bound what one receiver, or one caller, can keep waiting of the `at_once` in all.

    `seconds` is how long a receiver may take; `lease` how long an attempt belongs to the process that makes it.
    """

    period_seconds: float = 1.0
    seconds: float = 15.0
    at_once: int = 32
    per_host: int = 4
    per_account: int = 8
    lease: timedelta = timedelta(seconds=60)
    grace_seconds: float = 2.0


class Deliverer:
    """Sends webhooks until it is stopped; any number of processes may, since each attempt is taken by one."""

    def __init__(
        self,
        database: Database,
        fetcher: Fetcher,
        tellings: Mapping[str, Telling],
        pepper: bytes,
        bell: Bell,
        clock: Clock,
        options: DeliverOptions | None = None,
        meter: WorkMeter | None = None,
    ) -> None:
        self._database = database
        self._fetcher = fetcher
        self._tellings = tellings
        self._pepper = pepper
        self._bell = bell
        self._clock = clock
        self._options = options or DeliverOptions()
        self._meter = meter or WorkMeter()
        self._held: dict[asyncio.Task[None], Webhook] = {}
        self._stopping = False

    async def run(self) -> None:
        """Deliver what is due, at every ring of the bell and every `period_seconds`, until `stop` is called."""
        while not self._stopping:
            try:
                while not self._stopping and await self._start_due():
                    pass
            except Exception:
                # The database may be locked, full or away for a while: none of it may end deliveries.
                log.exception("webhooks_not_read")
            await self._bell.wait(self._options.period_seconds)
            await asyncio.sleep(_GATHER_SECONDS)

    async def stop(self) -> None:
        """Begin no more, give what is under way its grace, and hand back what has not ended by then."""
        self._stopping = True
        self._bell.ring()
        if self._held:
            _, unfinished = await asyncio.wait(self._held, timeout=self._options.grace_seconds)
            for task in unfinished:
                task.cancel()
            if unfinished:
                await asyncio.wait(unfinished)

    async def _start_due(self) -> bool:
        """Start attempts for which there is room; False where nothing was due that might have one."""
        options, now = self._options, self._clock.now()
        hosts = Counter(webhook.host for webhook in self._held.values())
        accounts = Counter(webhook.account_id for webhook in self._held.values())
        room = options.at_once - len(self._held)
        if room <= 0:
            return False
        full_hosts = [host for host, count in hosts.items() if count >= options.per_host]
        full_accounts = [account for account, count in accounts.items() if count >= options.per_account]
        found = await self._database.read(lambda c: webhooks.due(c, now, room, full_hosts, full_accounts))
        chosen = []
        for webhook in found:
            if hosts[webhook.host] < options.per_host and accounts[webhook.account_id] < options.per_account:
                hosts[webhook.host] += 1
                accounts[webhook.account_id] += 1
                chosen.append(webhook)
        if not chosen:
            return False
        for webhook in await self._database.write(lambda c: webhooks.take(c, chosen, now + options.lease)):
            task = asyncio.create_task(self._deliver(webhook), name=f"webhook {webhook.job_id}")
            self._held[task] = webhook
            task.add_done_callback(self._let_go)
        return True

    def _let_go(self, task: asyncio.Task[None]) -> None:
        del self._held[task]
        self._bell.ring()  # There is room again.
        if not task.cancelled() and (failure := task.exception()) is not None:
            # Not recorded: its lease ends, and it is sent again.
            log.error("webhook_not_recorded", exc_info=failure)

    async def _deliver(self, webhook: Webhook) -> None:
        with structlog.contextvars.bound_contextvars(job_id=webhook.job_id):
            started = now_ns()
            try:
                sent = await self._attempt(webhook)
            except asyncio.CancelledError:
                with suppress(Exception):
                    await self._database.write(lambda c: webhooks.hand_back(c, webhook, self._clock.now()))
                raise
            spread = random.random()
            state = await self._database.write(lambda c: webhooks.record(c, webhook, sent, spread))
            self._meter.attempted(state)
            record("deliver", webhook.job_id, started, status=sent.status or 0, state=state.value)
            # Neither URL nor host: both are the caller's, and a URL may hold a secret of its own.
            log.info("webhook_attempted", state=state, status=sent.status, milliseconds=sent.milliseconds)

    async def _attempt(self, webhook: Webhook) -> Sent:
        """Send the job as it stands; the time is taken anew, because the signature holds for minutes only."""
        now = self._clock.now()
        job, secrets = await self._database.read(
            lambda c: (
                jobs.get(c, webhook.job_id),
                webhook_secrets.valid(c, webhook.account_id, self._pepper, now),
            )
        )
        telling = self._tellings[job.dialect]
        body = json.dumps(telling.render(job), ensure_ascii=False, separators=(",", ":")).encode(errors="replace")
        signature = telling.sign(_message_id(webhook, job, body), now, body, [entry.secret for entry in secrets])
        headers = {**signature, **telling.beside(job, body), "content-type": "application/json"}
        started = perf_counter()
        status, error = None, None
        try:
            status = await self._fetcher.post(webhook.url, body, headers, self._options.seconds, FIELD)
        except RequestRejected as refused:
            error = refused.message
        return Sent(now, round((perf_counter() - started) * 1000), status, error)


def _message_id(webhook: Webhook, job: Job, body: bytes) -> str:
    """The message's id; of those about logs each has its own, by what it says."""
    if webhook.state is WebhookState.WAITING and webhooks.LOGS in (job.terms.webhook_events or ()):
        return f"{webhook.message_id}_{hashlib.sha256(body).hexdigest()[:12]}"
    return webhook.message_id


def _moment(moment: datetime) -> str:
    """ISO 8601 in UTC to the microsecond, by which a receiver can put messages in order."""
    return moment.isoformat(timespec="microseconds").replace("+00:00", "Z")

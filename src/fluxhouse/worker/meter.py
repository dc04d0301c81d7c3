"""What this process measured of the work it did: claims, ends, durations, webhooks and engines, never by account."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Protocol

from prometheus_client import CollectorRegistry, Counter, Histogram
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from fluxhouse.core.jobs import Job, JobState
from fluxhouse.core.webhooks import WebhookState
from fluxhouse.generation.errand import ErrandState

_WORK_BUCKETS = (0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 20.0, 30.0, 60.0, 120.0, 300.0, 600.0)
_WAIT_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.5, 1.0, 5.0, 15.0, 60.0, 300.0, 1800.0, 7200.0)


class Supervised(Protocol):
    """A process that is started again when it ends."""

    @property
    def name(self) -> str: ...

    @property
    def ready(self) -> bool: ...

    @property
    def starts(self) -> int: ...


class Breaking(Protocol):
    """A provider that is left alone for a while after too many failures."""

    @property
    def name(self) -> str: ...

    @property
    def is_open(self) -> bool: ...


class WorkMeter:
    """Counts since this process began; `registry` is what `/metrics` shows of it."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        own = self.registry
        self._claims = Counter("fluxhouse_claims", "Jobs taken up here, each attempt.", ("model",), registry=own)
        self._ended = Counter("fluxhouse_jobs_ended", "Jobs settled here.", ("model", "state"), registry=own)
        self._returned = Counter(
            "fluxhouse_jobs_returned", "Attempts that ended with the job waiting again.", ("model",), registry=own
        )
        self._superseded = Counter(
            "fluxhouse_jobs_superseded",
            "Attempts whose job was somebody else's by their end.",
            ("model",),
            registry=own,
        )
        self._waits = Histogram(
            "fluxhouse_wait_seconds", "Submit to first claim.", ("model",), buckets=_WAIT_BUCKETS, registry=own
        )
        self._inference = Histogram(
            "fluxhouse_inference_seconds",
            "The backend's work per job.",
            ("model",),
            buckets=_WORK_BUCKETS,
            registry=own,
        )
        self._job_seconds = Histogram(
            "fluxhouse_job_seconds", "Submit to end.", ("model",), buckets=_WORK_BUCKETS, registry=own
        )
        self._attempts = Counter(
            "fluxhouse_webhook_attempts", "Webhook attempts made here, by what the delivery is after it.", ("state",),
            registry=own,
        )  # fmt: skip
        self._errands = Counter(
            "fluxhouse_errands", "Images that providers were sent for, by how it ended.", ("provider", "state"),
            registry=own,
        )  # fmt: skip
        self._spent = Counter(
            "fluxhouse_provider_usd", "What providers charge, as they say or by their price list.", ("provider",),
            registry=own,
        )  # fmt: skip
        for state in (WebhookState.DELIVERED, WebhookState.PENDING, WebhookState.GIVEN_UP):
            self._attempts.labels(state.value)

    def watch(self, engines: Sequence[Supervised]) -> None:
        """Show these engines too."""
        self.registry.register(_Engines(engines))

    def watch_providers(self, providers: Sequence[Breaking]) -> None:
        """Show whether these providers are left alone."""
        self.registry.register(_Breakers(providers))

    def ran(self, provider: str, state: ErrandState, cost_micro_usd: int) -> None:
        """Count an errand that has ended."""
        self._errands.labels(provider, state.value).inc()
        self._spent.labels(provider).inc(cost_micro_usd / 1_000_000)

    def claimed(self, job: Job) -> None:
        """Count a claim."""
        model = job.request.model
        self._claims.labels(model).inc()
        if job.attempt == 1 and job.started_at is not None:
            self._waits.labels(model).observe(_seconds(job.created_at, job.started_at))

    def settled(self, job: Job, after: Job | None) -> None:
        """Count how an attempt ended: `after` is its job then, None where it was no longer ours."""
        model = job.request.model
        if after is None:
            self._superseded.labels(model).inc()
        elif after.state is JobState.QUEUED:
            self._returned.labels(model).inc()
        else:
            self._ended.labels(model, after.state.value).inc()
            if after.inference_seconds is not None:
                self._inference.labels(model).observe(after.inference_seconds)
            if after.finished_at is not None:
                self._job_seconds.labels(model).observe(_seconds(after.created_at, after.finished_at))

    def attempted(self, state: WebhookState) -> None:
        """Count an attempt to deliver a webhook."""
        self._attempts.labels(state.value).inc()


class _Engines(Collector):
    """The engines of this process, as they are when they are asked for."""

    def __init__(self, engines: Sequence[Supervised]) -> None:
        self._engines = engines

    def describe(self) -> Iterator[Metric]:
        """Nothing by itself: the registry need not look now."""
        return iter(())

    def collect(self) -> Iterator[Metric]:
        """The metric families."""
        ready = GaugeMetricFamily("fluxhouse_engine_ready", "1 while it can make images.", labels=["engine"])
        starts = CounterMetricFamily(
            "fluxhouse_engine_starts", "Times it became ready; all but one are restarts.", labels=["engine"]
        )
        for engine in self._engines:
            ready.add_metric([engine.name], float(engine.ready))
            starts.add_metric([engine.name], engine.starts)
        yield from (ready, starts)


class _Breakers(Collector):
    """The providers' circuit breakers, as they are when they are asked for."""

    def __init__(self, providers: Sequence[Breaking]) -> None:
        self._providers = providers

    def describe(self) -> Iterator[Metric]:
        """Nothing by itself: the registry need not look now."""
        return iter(())

    def collect(self) -> Iterator[Metric]:
        """The metric family."""
        found = GaugeMetricFamily(
            "fluxhouse_provider_open", "1 while it is left alone after too many failures.", labels=["provider"]
        )
        for provider in self._providers:
            found.add_metric([provider.name], float(provider.is_open))
        yield found


def _seconds(first: datetime, last: datetime) -> float:
    return max(0.0, (last - first).total_seconds())

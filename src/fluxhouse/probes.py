"""What a process shows of itself to its operator: `/healthz`, `/readyz`, `/metrics`."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from importlib.metadata import version

from prometheus_client import CollectorRegistry, ProcessCollector, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector
from sqlalchemy import Connection
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp

from fluxhouse.core import jobs, ledger, queue, usage, webhooks
from fluxhouse.core.webhooks import Backlog
from fluxhouse.database.database import Database
from fluxhouse.generation.errors import PlatformError

NotReady = Callable[[], Awaitable[str | None]]
"""Says why this process cannot take jobs, None where it can."""


@dataclass(frozen=True, slots=True)
class Standing:
    """The installation at one moment, all accounts together, so that none shows."""

    open: Mapping[str, int]
    depths: Sequence[queue.Depth]
    backlog: Backlog
    credits_micro: Mapping[str, int]
    totals: Mapping[str, int | float]
    at: datetime


class Probes:
    """`registries` are what this process measured; the rest is read from the database when it is asked for."""

    def __init__(
        self,
        database: Database,
        now: Callable[[], datetime],
        not_ready: NotReady,
        registries: Sequence[CollectorRegistry],
    ) -> None:
        self._database = database
        self._now = now
        self._not_ready = not_ready
        self._registries = (*registries, _of_process())

    def routes(self) -> list[Route]:
        """Where they are asked."""
        answers = {"/healthz": self.healthz, "/readyz": self.readyz, "/metrics": self.metrics}
        return [Route(path, answer, methods=["GET"]) for path, answer in answers.items()]

    def app(self) -> ASGIApp:
        """The probes alone, for a process that serves nothing else."""
        return Starlette(routes=self.routes())

    async def healthz(self, _request: Request) -> Response:
        """This process answers."""
        return JSONResponse({"status": "ok"})

    async def readyz(self, _request: Request) -> Response:
        """Whether this process can take jobs."""
        reason = await self._not_ready()
        if reason is None:
            return JSONResponse({"status": "ready"})
        return JSONResponse({"error": {"code": "not_ready", "message": reason, "status": 503}}, 503)

    async def metrics(self, _request: Request) -> Response:
        """Prometheus' text: what this process measured, and the installation's jobs, queue and totals."""
        ready = await self._not_ready() is None
        try:
            standing = await self._database.read(lambda connection: _standing(connection, self._now()))
        except PlatformError:
            standing = None  # This process's own numbers are worth the more.
        shown = CollectorRegistry()
        shown.register(_Installation(standing, ready))
        text = b"".join(map(generate_latest, (*self._registries, shown)))
        return Response(text, media_type="text/plain; version=0.0.4; charset=utf-8")


class _Installation(Collector):
    """Readiness, and the standing where the database tells it."""

    def __init__(self, standing: Standing | None, ready: bool) -> None:
        self._standing = standing
        self._ready = ready

    def collect(self) -> Iterator[Metric]:
        """The metric families."""
        release = GaugeMetricFamily("fluxhouse_build_info", "Always 1; the label says the version.", labels=["version"])
        release.add_metric([version("fluxhouse")], 1)
        yield release
        yield GaugeMetricFamily("fluxhouse_ready", "1 while this process can take jobs.", float(self._ready))
        reached = self._standing is not None
        yield GaugeMetricFamily("fluxhouse_database_up", "1 where the database answered just now.", float(reached))
        if self._standing is not None:
            yield from _queue(self._standing)
            yield from _webhooks(self._standing)
            yield from _money(self._standing)


def _queue(standing: Standing) -> Iterator[Metric]:
    states = GaugeMetricFamily("fluxhouse_jobs_open", "Jobs that have not ended.", labels=["state"])
    for state, count in standing.open.items():
        states.add_metric([state], count)
    depth = GaugeMetricFamily("fluxhouse_queue_depth", "Jobs waiting.", labels=["model"])
    oldest = GaugeMetricFamily("fluxhouse_queue_oldest_seconds", "Age of the oldest of them.", labels=["model"])
    for waiting in standing.depths:
        depth.add_metric([waiting.model], waiting.waiting)
        oldest.add_metric([waiting.model], _age(waiting.oldest, standing.at))
    yield from (states, depth, oldest)


def _webhooks(standing: Standing) -> Iterator[Metric]:
    backlog = standing.backlog
    late = 0.0 if backlog.next_at is None else _age(backlog.next_at, standing.at)
    yield GaugeMetricFamily("fluxhouse_webhooks_pending", "Webhooks with an attempt to come.", backlog.pending)
    yield GaugeMetricFamily("fluxhouse_webhooks_late_seconds", "How long the first of them is overdue.", late)


def _money(standing: Standing) -> Iterator[Metric]:
    credits = GaugeMetricFamily("fluxhouse_credits", "Credits in the ledger, all accounts.", labels=["kind"])
    for kind, amount_micro in standing.credits_micro.items():
        credits.add_metric([kind], amount_micro / 1_000_000)
    yield credits
    totals = dict(standing.totals)
    totals["captured_credits"] = totals.pop("captured_micro") / 1_000_000
    for name, total in totals.items():
        yield CounterMetricFamily(f"fluxhouse_usage_{name}", "Since the first day, all accounts.", value=total)


def _standing(connection: Connection, now: datetime) -> Standing:
    return Standing(
        jobs.count_open(connection),
        queue.depths(connection),
        webhooks.backlog(connection),
        ledger.totals(connection),
        usage.totals(connection),
        now,
    )


def _age(moment: datetime, now: datetime) -> float:
    return max(0.0, (now - moment).total_seconds())


def _of_process() -> CollectorRegistry:
    """Memory, processor time and open files of this process."""
    registry = CollectorRegistry()
    ProcessCollector(registry=registry)
    return registry

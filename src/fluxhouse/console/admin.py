"""The first page of administrators: the queue, what is being made, what failed, the books, and the audit log."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from operator import attrgetter

from sqlalchemy import Connection
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from fluxhouse.console.office import Office
from fluxhouse.console.queries import number_in
from fluxhouse.console.rendering import span_text
from fluxhouse.core import accounts, audit, jobs, ledger, queue
from fluxhouse.core import reconcile as accounting
from fluxhouse.core.jobs import Job
from fluxhouse.core.queue import Depth

_HOUR = timedelta(hours=1)
_SILENT = timedelta(seconds=30)  # after which a worker's attempt counts as lost
_ENTRIES = 50


@dataclass(frozen=True, slots=True)
class Standing:
    """The installation at one moment. `holders` has the fleet's worker of each running job that has one."""

    depths: list[Depth]
    running: list[Job]
    holders: Mapping[str, int]
    failed: list[Job]
    names: Mapping[str, str]
    credits_micro: Mapping[str, int]
    at: datetime

    @property
    def waiting(self) -> int:
        return sum(depth.waiting for depth in self.depths)

    @property
    def oldest(self) -> datetime | None:
        return min((depth.oldest for depth in self.depths), default=None)

    def is_silent(self, job: Job) -> bool:
        """Whether nothing was heard of the job's worker for too long."""
        return job.heartbeat_at is not None and self.at - job.heartbeat_at > _SILENT

    def age(self, moment: datetime) -> str:
        """How long ago that was, in words."""
        return span_text(self.at - moment)


class Admin:
    """`/admin`, `/admin/reconcile` and `/admin/audit`."""

    def __init__(self, office: Office) -> None:
        self._office = office

    def routes(self) -> list[BaseRoute]:
        """The addresses of these pages."""
        return [
            Route("/admin", self.overview, methods=["GET"]),
            Route("/admin/reconcile", self.reconcile, methods=["GET"]),
            Route("/admin/audit", self.log, methods=["GET"]),
        ]

    async def overview(self, request: Request) -> Response:
        """How the installation stands."""
        await self._office.admit(request)
        now = self._office.desk.clock.now()
        standing = await self._office.desk.database.read(lambda connection: _standing(connection, now))
        return await self._office.page(request, "admin.html", standing=standing, drifts=None)

    async def reconcile(self, request: Request) -> Response:
        """The same, and whether ledger, balances, holds and jobs agree: read anew, which takes as long as it takes."""
        await self._office.admit(request)
        now = self._office.desk.clock.now()

        def both(connection: Connection) -> tuple[Standing, list[accounting.Drift]]:
            return _standing(connection, now), accounting.reconcile(connection)

        standing, drifts = await self._office.desk.database.read(both)
        return await self._office.page(request, "admin.html", standing=standing, drifts=drifts)

    async def log(self, request: Request) -> Response:
        """The audit log from its newest entry, or from `before` one."""
        await self._office.admit(request)
        before = number_in(request.query_params, "before")
        entries = await self._office.desk.database.read(
            lambda connection: audit.latest(connection, _ENTRIES + 1, before)
        )
        older = entries[_ENTRIES - 1].number if len(entries) > _ENTRIES else None
        return await self._office.page(request, "audit.html", entries=entries[:_ENTRIES], older=older, before=before)


def _standing(connection: Connection, now: datetime) -> Standing:
    running = sorted(jobs.running(connection), key=attrgetter("started_at", "id"))
    failed = jobs.failed_since(connection, now - _HOUR)
    concerned = {job.account_id for job in running + failed}
    return Standing(
        depths=queue.depths(connection),
        running=running,
        holders=queue.holders(connection),
        failed=failed,
        names={account_id: accounts.get(connection, account_id).name for account_id in concerned},
        credits_micro=ledger.totals(connection),
        at=now,
    )

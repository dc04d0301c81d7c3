"""A whole platform below the API for the worker's tests: real database, real files, cheap pictures, a clock to set."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import Connection, text

from fluxhouse.core import accounts, jobs, keys, ledger, queue
from fluxhouse.core.bell import Bell
from fluxhouse.core.cancel import cancel
from fluxhouse.core.feed import Feed, StateChanged
from fluxhouse.core.jobs import Job
from fluxhouse.core.keys import Caller
from fluxhouse.core.reconcile import reconcile
from fluxhouse.core.submit import Submission, submit
from fluxhouse.core.topup import topup
from fluxhouse.database.database import Database
from fluxhouse.engine.testcard import TestCard
from fluxhouse.generation.backend import Serving
from fluxhouse.generation.credits import MICRO
from fluxhouse.generation.errors import EngineDied
from fluxhouse.generation.request import GenerationRequest
from fluxhouse.generation.upsampler import Upsampler
from fluxhouse.storage.local import LocalStorage
from fluxhouse.worker.procrastination import Procrastination
from fluxhouse.worker.routing import ANY, Router
from fluxhouse.worker.worker import Worker, WorkerOptions

MODEL = "flux-dev"
PRICE_MICRO = MICRO


class SetClock:
    """Tells the time it was set to."""

    def __init__(self) -> None:
        self.time = datetime(2026, 1, 1, tzinfo=UTC)

    def now(self) -> datetime:
        return self.time

    def pass_by(self, **spans: float) -> None:
        self.time += timedelta(**spans)


class Fragile(TestCard):
    """A test card whose process 'dies' under the prompt `poison`, and takes every other request at work with it."""

    __test__ = False

    def __init__(self, **options: float) -> None:
        super().__init__(**options)
        self.at_work: list[str] = []
        self.most_at_work = 0
        self.died = asyncio.Event()

    async def generate(self, request, inputs):
        self.at_work.append(request.prompt)
        self.most_at_work = max(self.most_at_work, len(self.at_work))
        died = self.died
        try:
            async for event in super().generate(request, inputs):
                if request.prompt == "poison":
                    died.set()
                    self.died = asyncio.Event()
                if died.is_set():
                    raise EngineDied
                yield event
        finally:
            self.at_work.remove(request.prompt)


class Stage:
    """Submits, cancels and watches jobs as the door does."""

    def __init__(self, folder: Path, backend: TestCard, url: str) -> None:
        self.database = Database(url)
        self.database.start()
        self.storage = LocalStorage(folder / "files")
        self.feed, self.bell, self.clock = Feed(), Bell(), SetClock()
        self.backend = backend
        self.upsampler: Upsampler | None = None
        self.router = Router({ANY: backend}, {MODEL: Serving(backend.name, 4, 3.5)})
        with self.database.transaction() as connection:
            account = accounts.create(connection, "somebody", self.clock.now())
            topup(connection, account.name, 1000 * MICRO, self.clock.now())
            key, _ = keys.issue(connection, account.id, b"pepper", self.clock.now())
        self.caller = Caller(account, key)

    def worker(self, **options: float) -> Worker:
        return Worker(
            self.database,
            self.router,
            self.storage,
            self.feed,
            self.bell,
            self.clock,
            WorkerOptions(**options),
            source=self.source(options.get("ahead", 1)),
            upsampler=self.upsampler,
        )

    def source(self, ahead: int) -> Procrastination | None:
        """As an assembled platform has it."""
        shared = self.database.shared
        return None if shared is None else Procrastination(shared.conninfo, self.router.rooms((), ahead))

    async def submit(self, prompt: str = "a fox", *, lifetime: timedelta = timedelta(hours=24), **fields) -> Job:
        request = GenerationRequest(**{"model": MODEL, "prompt": prompt, "width": 64, "height": 64, "seed": 1} | fields)
        submission = Submission(
            self.caller, "native", MODEL, self.backend.name, request, PRICE_MICRO, steps=4, lifetime=lifetime
        )
        submitted = await self.database.write(lambda c: submit(c, submission, self.clock.now()))
        self.bell.ring()
        return submitted.job

    async def take(self) -> list[Job]:
        """Claim the next job and do nothing about it; on PostgreSQL by the function that Procrastinate calls."""
        return await self.database.write(self._take)

    def _take(self, connection: Connection) -> list[Job]:
        if self.database.shared is None:
            return queue.claim(connection, 1, self.clock.now())
        entry = connection.execute(text("SELECT * FROM procrastinate_fetch_job_v2(NULL, NULL)")).one()
        if entry.id is None:
            return []
        connection.execute(text("DELETE FROM procrastinate_jobs WHERE id = :id"), {"id": entry.id})
        return [queue.start(connection, entry.args["job_id"], entry.args["tag"], self.clock.now())]

    async def job(self, job: Job) -> Job:
        return await self.database.read(lambda c: jobs.get(c, job.id))

    async def until(self, job: Job, reached: Callable[[Job], bool], seconds: float = 10) -> Job:
        """The job's row once it is as wished."""
        async with asyncio.timeout(seconds):
            while not reached(row := await self.job(job)):  # noqa: ASYNC110  The row is what is asked about.
                await asyncio.sleep(0.005)
        return row

    async def ended(self, job: Job) -> Job:
        return await self.until(job, lambda row: row.state.terminal)

    async def cancel(self, job: Job) -> Job:
        after = await self.database.write(lambda c: cancel(c, job, self.clock.now()))
        self.feed.publish(job.id, StateChanged())
        return after

    async def balance(self) -> ledger.Balance:
        return await self.database.read(lambda c: ledger.balance(c, self.caller.account.id))


@pytest.fixture(params=["sqlite", "postgres"])
def stage_url(request: pytest.FixtureRequest, template: Path, tmp_path: Path) -> Callable[[], str]:
    """Where a stage's database is, of each kind in turn, already migrated."""
    if request.param == "postgres":
        return request.getfixturevalue("new_postgres")
    url = f"sqlite:///{shutil.copy(template, tmp_path / 'fluxhouse.db')}"
    return lambda: url


@pytest.fixture
async def stage_with(tmp_path: Path, stage_url: Callable[[], str]) -> AsyncIterator[Callable[[TestCard], Stage]]:
    """Builds a stage around a backend; at the end, all credits must add up."""
    stages: list[Stage] = []

    def build(backend: TestCard) -> Stage:
        stages.append(Stage(tmp_path, backend, stage_url()))
        return stages[-1]

    yield build
    for stage in stages:
        drifts = await stage.database.read(reconcile)
        stage.database.close()
        assert drifts == []


@pytest.fixture
async def working() -> AsyncIterator[Callable[..., Awaitable[Worker]]]:
    """Starts a worker on a stage, which is stopped at the end."""
    running: list[tuple[Worker, asyncio.Task[None]]] = []

    async def start(stage: Stage, **options: float) -> Worker:
        worker = stage.worker(**options)
        await worker.recover()
        running.append((worker, asyncio.create_task(worker.run())))
        return worker

    yield start
    for worker, task in running:
        await worker.stop()
        await task


@pytest.fixture
def fragile() -> type[Fragile]:
    return Fragile

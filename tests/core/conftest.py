"""A migrated database of each kind per test, a clock that tests set, and short ways to accounts, callers and jobs."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TypeVar

import pytest
from sqlalchemy import Connection, text

from fluxhouse.core import accounts, jobs, keys, ledger, queue, settle
from fluxhouse.core.ids import new_id
from fluxhouse.core.jobs import Job
from fluxhouse.core.keys import Caller, Limits
from fluxhouse.core.reconcile import reconcile
from fluxhouse.core.submit import Refused, Submission, Submitted, submit
from fluxhouse.database.database import Database
from fluxhouse.generation.image import DeliveredImage
from fluxhouse.generation.request import GenerationRequest

T = TypeVar("T")
START = datetime(2026, 3, 1, 12, 0, 0, 123456, tzinfo=UTC)
PEPPER = b"a pepper of the tests"
PRICE_MICRO = 1_000_000


@dataclass
class SettableClock:
    """Tells the time that a test has set."""

    time: datetime = START

    def now(self) -> datetime:
        return self.time

    def advance(self, **parts: float) -> datetime:
        self.time += timedelta(**parts)
        return self.time


@dataclass
class House:
    """One platform on one database file; every method is one committed transaction unless it takes a connection."""

    database: Database
    url: str
    clock: SettableClock = field(default_factory=SettableClock)

    def now(self) -> datetime:
        return self.clock.now()

    @contextmanager
    def transaction(self) -> Iterator[Connection]:
        with self.database.transaction() as connection:
            yield connection

    def do(self, verb: Callable[..., T], *arguments: object, **named: object) -> T:
        """`verb(connection, ...)`, committed."""
        with self.transaction() as connection:
            return verb(connection, *arguments, **named)

    def see(self, query: Callable[..., T], *arguments: object, **named: object) -> T:
        """`query(connection, ...)` on a read-only snapshot."""
        with self.database.snapshot() as connection:
            return query(connection, *arguments, **named)

    def caller(self, name: str = "ada", credit: int = 100, limits: Limits | None = None) -> Caller:
        """A new account with that many jobs' worth of credits, and a key of its own."""
        with self.transaction() as connection:
            account = accounts.create(connection, name, self.now())
            key, _ = keys.issue(connection, account.id, PEPPER, self.now(), limits=limits)
            if credit:
                ledger.grant(connection, account.id, credit * PRICE_MICRO, self.now(), None)
        return Caller(account, key)

    def submission(self, caller: Caller, **changes: object) -> Submission:
        """A plain submission; `count`, `width`, `prompt`, `model` change its request, the rest the submission."""
        asked = {"model": "flux-dev", "prompt": "a fox", "width": 512, "height": 512, "seed": 7}
        asked |= {name: changes.pop(name) for name in ("count", "width", "prompt", "model") if name in changes}
        plain = {
            "caller": caller,
            "dialect": "native",
            "model": "flux-dev",
            "served_by": "fluxhouse-builtin",
            "request": GenerationRequest(**asked),
            "price_micro": PRICE_MICRO,
            "steps": 8,
            "lifetime": timedelta(hours=24),
        }
        return Submission(**plain | changes)

    def submit(self, caller: Caller, **changes: object) -> Submitted | Refused:
        return self.do(submit, self.submission(caller, **changes), self.now())

    def job(self, caller: Caller, **changes: object) -> Job:
        """A job that was taken in."""
        answer = self.submit(caller, **changes)
        assert isinstance(answer, Submitted), answer
        return answer.job

    def claim(self, limit: int = 1, models: Sequence[str] | None = None) -> list[Job]:
        return self.do(claimed, limit, self.now(), models)

    def claim_in(self, connection: Connection, limit: int) -> list[Job]:
        return claimed(connection, limit, self.now())

    def running(self, caller: Caller, **changes: object) -> Job:
        """A job that was taken in and claimed, in a queue that was empty."""
        self.job(caller, **changes)
        (job,) = self.claim()
        return job

    def outcome(self, job: Job, images: int | None = None) -> settle.Outcome:
        """What an attempt brings that delivers so many of its images, all by default."""
        images = job.request.count if images is None else images
        return settle.Outcome([delivered(job, index) for index in range(images)], 2.5)

    def succeed(self, job: Job, images: int | None = None) -> Job | None:
        return self.do(settle.succeed, job, self.outcome(job, images), self.now())

    def read(self, job: Job) -> Job:
        return self.see(jobs.get, job.id)

    def balance(self, caller: Caller) -> tuple[int, int]:
        """(available, held) in micro-credits."""
        found = self.see(ledger.balance, caller.account.id)
        return found.available_micro, found.held_micro

    def drift(self) -> list[object]:
        return self.see(reconcile)


def claimed(connection: Connection, limit: int, now: datetime, models: Sequence[str] | None = None) -> list[Job]:
    """What workers do between them to claim so many jobs; on PostgreSQL by the function that Procrastinate's call."""
    if connection.dialect.name == "sqlite":
        return queue.claim(connection, limit, now, models)
    fetch = text("SELECT * FROM procrastinate_fetch_job_v2(CAST(:queues AS varchar[]), NULL)")
    taken = []
    while len(taken) < limit:
        entry = connection.execute(fetch, {"queues": None if models is None else list(models)}).one()
        if entry.id is None:
            break
        connection.execute(text("DELETE FROM procrastinate_jobs WHERE id = :id"), {"id": entry.id})
        job = queue.start(connection, entry.args["job_id"], entry.args["tag"], now)
        taken += [job] if job is not None else []
    return taken


def delivered(job: Job, index: int) -> DeliveredImage:
    return DeliveredImage(index, f"outputs/{job.id}/{index}.png", "image/png", 512, 512, 7 + index, 1000)


@pytest.fixture(scope="session")
def house_type() -> type[House]:
    return House


@pytest.fixture(params=["sqlite", "postgres"])
def new_url(request: pytest.FixtureRequest, template: Path, tmp_path: Path) -> Callable[[], str]:
    """Makes migrated databases, of each kind in turn."""
    if request.param == "postgres":
        return request.getfixturevalue("new_postgres")

    def copied() -> str:
        path = tmp_path / f"{new_id()}.db"
        shutil.copy(template, path)
        return f"sqlite:///{path}"

    return copied


@pytest.fixture
def open_house(new_url: Callable[[], str]) -> Iterator[Callable[[], House]]:
    """Opens platforms, each on a fresh migrated database; closed after the test."""
    opened: list[House] = []

    def open_one() -> House:
        url = new_url()
        opened.append(House(Database(url), url))
        return opened[-1]

    yield open_one
    for house in opened:
        house.database.close()


@pytest.fixture
def house(open_house: Callable[[], House]) -> House:
    return open_house()


@pytest.fixture
async def live(house: House) -> House:
    """A platform whose database threads run."""
    house.database.start()
    return house


@pytest.fixture
def ada(house: House) -> Caller:
    """A caller with credits for a hundred images."""
    return house.caller()

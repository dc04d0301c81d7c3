"""The application on a real database and store, with a worker that does only what a test tells it."""

from __future__ import annotations

import io
import shutil
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any, TypeVar

import httpx2
import pytest
from PIL import Image
from sqlalchemy import Connection

from fluxhouse.app import create_app
from fluxhouse.catalog.catalog import Catalog
from fluxhouse.core import accounts, jobs, keys, ledger, queue, settle
from fluxhouse.core.bell import Bell
from fluxhouse.core.cancel import cancel
from fluxhouse.core.feed import Feed
from fluxhouse.core.jobs import Job
from fluxhouse.core.keys import Limits
from fluxhouse.core.model_terms import Offer
from fluxhouse.core.settle import Outcome
from fluxhouse.database.database import Database
from fluxhouse.dialects.dialect import Door, DoorOptions
from fluxhouse.dialects.pixazo.answers import job_id_of
from fluxhouse.generation.backend import Serving
from fluxhouse.generation.errors import GenerationFailed
from fluxhouse.generation.image import DeliveredImage
from fluxhouse.storage.fetch import Fetcher
from fluxhouse.storage.local import LocalStorage
from fluxhouse.storage.urls import UrlSigner

T = TypeVar("T")

PUBLIC_URL = "http://pixazo.test"
PEPPER = b"a pepper of the tests"
SUBMIT = "/flux-dev/v1/dev/textToImage"
VARY = "/flux-dev/v1/dev/imageToImage"
RESULT = "/flux-dev-polling/dev/getFluxDevStatus"
STATUS = "/v2/requests/status"
BODY = {"prompt": "A sunset over a mountain range", "image_size": "landscape_4_3"}


@dataclass
class SettableClock:
    """Tells the time that a test has set."""

    time: datetime = datetime(2026, 3, 1, 12, 0, 0, 123456, tzinfo=UTC)

    def now(self) -> datetime:
        return self.time


@dataclass
class Gateway:
    """A client before the routes, and the platform's inside behind them."""

    client: httpx2.AsyncClient
    door: Door
    database: Database
    clock: SettableClock
    serving: dict[str, Serving]
    key: str = ""

    async def write(self, verb: Callable[..., T], *arguments: object, **named: object) -> T:
        return await self.database.write(lambda connection: verb(connection, *arguments, **named))

    async def account(self, name: str, credit: int = 100, limits: Limits | None = None) -> str:
        """A new account with so many credits; the text of its key."""
        return await self.write(_account, name, credit, self.clock.now(), limits)

    async def submit(
        self, body: object = None, path: str = SUBMIT, key: str | None = None, **headers: str
    ) -> httpx2.Response:
        sent = {"Ocp-Apim-Subscription-Key": self.key if key is None else key} | headers
        return await self.client.post(path, json=BODY if body is None else body, headers=sent)

    async def submitted(self, body: object = None, path: str = SUBMIT) -> str:
        """The request id of a submit that was accepted."""
        response = await self.submit(body, path)
        assert response.status_code == 200, response.text
        return str(response.json()["request_id"])

    async def poll(self, request_id: str, key: str | None = None) -> httpx2.Response:
        """Generation A, without a key unless one is given."""
        headers = {} if key is None else {"Ocp-Apim-Subscription-Key": key}
        return await self.client.post(RESULT, json={"request_id": request_id}, headers=headers)

    async def status(self, request_id: str, key: str | None = None) -> httpx2.Response:
        """Generation B."""
        headers = {"Ocp-Apim-Subscription-Key": self.key if key is None else key}
        return await self.client.get(f"{STATUS}/{request_id}", headers=headers)

    async def job(self, request_id: str) -> Job:
        return await self.door.any_job(job_id_of(request_id))

    async def claim(self) -> Job:
        (job,) = await self.write(queue.claim, 1, self.clock.now())
        return job

    async def make(self) -> Job:
        """Claim the next job and deliver its images, which are plain but of the right size."""
        job = await self.claim()
        outcome = Outcome([await self._deliver(job, index) for index in range(job.request.count)], 1.25)
        made = await self.write(settle.succeed, job, outcome, self.clock.now())
        assert made is not None
        return made

    async def fail(self, failure: GenerationFailed) -> None:
        await self.write(settle.fail, await self.claim(), failure, self.clock.now())

    async def cancel(self, request_id: str) -> None:
        await self.write(cancel, await self.job(request_id), self.clock.now())

    async def remove_output(self, request_id: str) -> None:
        await self.write(jobs.output_removed, job_id_of(request_id), self.clock.now())

    async def suspend(self) -> None:
        """Suspend the account of `key`."""
        caller = await self.door.authenticate(self.key, None)
        await self.write(accounts.suspend, caller.account.id, True)

    def serve_nothing(self) -> None:
        """Let no model have a backend."""
        self.serving.clear()

    def sample(self, width: int, height: int) -> bytes:
        """A PNG of that size."""
        return picture(width, height)

    async def _deliver(self, job: Job, index: int) -> DeliveredImage:
        asked = job.request
        key = f"outputs/{job.id}/{index}.{asked.format.value}"
        content = picture(asked.width, asked.height, "PNG" if asked.format.value == "png" else "JPEG")
        await self.door.storage.put(key, content)
        seed = asked.image_seed(index)
        return DeliveredImage(index, key, asked.format.content_type, asked.width, asked.height, seed, len(content))


def picture(width: int, height: int, kind: str = "PNG") -> bytes:
    """An encoded picture of that size."""
    file = io.BytesIO()
    Image.new("RGB", (width, height), (200, 90, 40)).save(file, kind)
    return file.getvalue()


def _account(connection: Connection, name: str, credit: int, now: datetime, limits: Limits | None) -> str:
    account = accounts.create(connection, name, now)
    _, text = keys.issue(connection, account.id, PEPPER, now, limits=limits)
    if credit:
        ledger.grant(connection, account.id, credit * 1_000_000, now, None)
    return text


def door_on(database: Database, folder: Path, clock: SettableClock, serving: dict[str, Serving]) -> Door:
    catalog = Catalog.load()
    options = DoorOptions(PEPPER, PUBLIC_URL, timedelta(hours=24), Offer(catalog, serving), Decimal("0.025"))
    parts: list[Any] = [LocalStorage(folder), UrlSigner(PEPPER, PUBLIC_URL), Fetcher(), Feed(), Bell(), clock]
    return Door(database, catalog, *parts, options)


async def _ready() -> None:
    """This process can always take jobs."""


@pytest.fixture
async def gateway(template: Path, tmp_path: Path) -> AsyncIterator[Gateway]:
    """The routes, with one account that has a hundred credits."""
    path = shutil.copy(template, tmp_path / "platform.db")
    database = Database(f"sqlite:///{path}")
    database.start()
    clock = SettableClock()
    serving = {"flux-dev": Serving("fluxhouse-builtin", 8, 3.5)}
    door = door_on(database, tmp_path / "files", clock, serving)
    transport = httpx2.ASGITransport(app=create_app(door, _ready))
    async with httpx2.AsyncClient(transport=transport, base_url=PUBLIC_URL) as client:
        opened = Gateway(client, door, database, clock, serving)
        opened.key = await opened.account("ada")
        yield opened
    database.close()

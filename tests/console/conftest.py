"""A console over a database of its own, and browsers that keep cookies and send what browsers send."""

from __future__ import annotations

import re
import shutil
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import httpx2
import pytest
from argon2 import PasswordHasher

from fluxhouse.app import create_app
from fluxhouse.assembly import assemble, make_data_folder
from fluxhouse.core import accounts, people
from fluxhouse.core.people import Role
from fluxhouse.engine.testcard import TestCard
from fluxhouse.settings import Settings

PASSWORD = "correct horse battery"
QUICK = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)
DIGEST = QUICK.hash(PASSWORD)
URL = "http://house.test"


@dataclass
class SettableClock:
    """Tells the time that a test has set."""

    time: datetime = field(default_factory=lambda: datetime.now(UTC))

    def now(self) -> datetime:
        return self.time

    def advance(self, **parts: float) -> None:
        self.time += timedelta(**parts)


class Browser:
    """Follows no redirect by itself, keeps cookies, and sends `Sec-Fetch-Site` as a page of this host would."""

    def __init__(self, app) -> None:
        self.client = httpx2.AsyncClient(transport=httpx2.ASGITransport(app=app), base_url=URL)

    async def get(self, path, **options):
        return await self.client.get(path, **options)

    async def post(self, path, form=None, *, site="same-origin", **options):
        headers = {**({} if site is None else {"sec-fetch-site": site}), **options.pop("headers", {})}
        return await self.client.post(path, data=form, headers=headers, **options)

    async def sign_in(self, address="ada@example.com", password=PASSWORD):
        answer = await self.post("/sign-in", {"address": address, "password": password})
        assert answer.status_code == 303, answer.text
        return answer

    async def form_token(self, path="/docs/sign") -> str:
        """The token that the forms of this session carry."""
        page = (await self.get(path)).text
        found = re.search(r'name="form_token" value="([0-9a-f]+)"', page)
        assert found is not None, page
        return found[1]


class Place:
    """An installation with one member, Ada, and one administrator, Root, and a clock to set."""

    def __init__(self, platform, clock) -> None:
        self.platform, self.clock = platform, clock
        self.database, self.door = platform.database, platform.door

    def browser(self) -> Browser:
        return Browser(self.platform.app)

    async def write(self, verb, *arguments):
        return await self.database.write(lambda connection: verb(connection, *arguments))

    async def read(self, query, *arguments):
        return await self.database.read(lambda connection: query(connection, *arguments))

    async def person(self, address, role=Role.MEMBER):
        """Somebody with an account of the same name."""

        def join(connection):
            account = accounts.create(connection, address.partition("@")[0], self.clock.now())
            return people.create(connection, account.id, address, DIGEST, role, self.clock.now())

        return await self.database.write(join)


@pytest.fixture(scope="module", autouse=True)
def quick_passwords():
    """Passwords of these tests are kept as any other, but at the least cost: each would take a fifth of a second."""
    with pytest.MonkeyPatch.context() as patch:
        people._nobody.cache_clear()
        patch.setattr(people, "_hasher", QUICK)
        yield
    people._nobody.cache_clear()


@pytest.fixture
async def place(tmp_path, template):
    settings = Settings(data=tmp_path / "data", public_url=URL, sign_up=True)
    make_data_folder(settings)
    shutil.copy(template, settings.data_folder / "fluxhouse.db")
    platform = assemble(settings, {"*": TestCard()})
    clock = SettableClock()
    platform.door.clock = clock
    platform.app = create_app(platform.door, platform.not_ready)
    await platform.start()
    place = Place(platform, clock)
    place.ada = await place.person("ada@example.com")
    place.root = await place.person("root@example.com", Role.ADMIN)
    yield place
    await platform.stop()


@pytest.fixture
async def browser(place):
    browser = place.browser()
    yield browser
    await browser.client.aclose()

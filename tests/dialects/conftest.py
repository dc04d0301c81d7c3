"""A whole platform in this process, with a backend that paints test cards, and clients before its door."""

from __future__ import annotations

import fcntl
import hashlib
import io
import json
import os
import shutil
import subprocess
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import httpx2
import pytest
from PIL import Image

from fluxhouse.assembly import Platform, assemble
from fluxhouse.catalog.catalog import Catalog
from fluxhouse.core import accounts, keys, ledger
from fluxhouse.core.keys import Limits
from fluxhouse.engine.testcard import TestCard
from fluxhouse.generation.backend import Backend, Progress
from fluxhouse.generation.errors import GenerationFailed
from fluxhouse.generation.request import GenerationRequest
from fluxhouse.settings import Settings

PUBLIC_URL = "http://house.test"
SMALL = {"prompt": "a red boat", "width": 256, "height": 256}


@dataclass
class MovableClock:
    """The machine's clock, moved ahead by what a test says."""

    ahead: timedelta = field(default_factory=timedelta)

    def now(self) -> datetime:
        return datetime.now(UTC) + self.ahead


@dataclass
class House:
    """A running platform, the client of its first account, and a clock that a test may move."""

    platform: Platform
    client: httpx2.AsyncClient
    key: str
    clock: MovableClock

    async def account(self, name: str, credits: int = 100, limits: Limits | None = None) -> str:
        """A new account with so many credits; the text of its key."""
        return await new_key(self.platform, name, credits, limits)

    async def run(self, body: dict[str, Any] | None = None, model: str = "flux", **headers: str) -> httpx2.Response:
        """Submit a small picture, or `body`."""
        return await self.client.post(
            f"/api/v1/models/{model}/run", json=SMALL if body is None else body, headers=headers
        )

    async def done(self, body: dict[str, Any] | None = None, **headers: str) -> dict[str, Any]:
        """The finished job of a small picture, or of `body`."""
        answer = await self.run(body, Prefer="wait", **headers)
        assert answer.status_code == 200, answer.text
        return answer.json()

    async def get(self, url: str, **headers: str) -> httpx2.Response:
        """What an address of ours answers to one without a key."""
        return await self.client.get(url, headers={"Authorization": ""} | headers)

    async def credits(self) -> dict[str, float]:
        return (await self.client.get("/api/v1/credits")).json()


async def new_key(platform: Platform, name: str, credits: int, limits: Limits | None = None) -> str:
    now, pepper = platform.door.clock.now(), platform.door.options.pepper

    def make(connection):
        account = accounts.create(connection, name, now)
        if credits:
            ledger.grant(connection, account.id, credits * 1_000_000, now, None)
        return keys.issue(connection, account.id, pepper, now, limits=limits)[1]

    return await platform.database.write(make)


# What differs between the databases shows here; `make prove` runs everything on both.
SMOKE = frozenset({"test_dialect", "test_waiting", "test_events", "test_polling"})


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Every test that builds a house does so on both databases, on PostgreSQL mostly in the long run."""
    if "database_kind" in metafunc.fixturenames:
        seldom = () if metafunc.module.__name__.rpartition(".")[2] in SMOKE else pytest.mark.long
        metafunc.parametrize("database_kind", ["sqlite", pytest.param("postgres", marks=seldom)])


@pytest.fixture
def shared(request: pytest.FixtureRequest, database_kind: str, tmp_path: Path) -> dict[str, str]:
    """The settings that one installation's processes share."""
    if database_kind == "sqlite":
        return {}
    new_postgres = request.getfixturevalue("new_postgres")
    return {"database_url": new_postgres(), "storage_url": str(tmp_path / "shared"), "secret": "a secret of the tests"}


@pytest.fixture
async def build(
    tmp_path: Path, shared: dict[str, str], template: Path
) -> AsyncIterator[Callable[..., Awaitable[House]]]:
    """Builds houses, each with the backends and settings that a test gives, and closes them."""
    (tmp_path / "house").mkdir(mode=0o700)
    if not shared:
        shutil.copy(template, tmp_path / "house" / "fluxhouse.db")
    async with AsyncExitStack() as closing:

        async def made(backend: Backend | None = None, *, works: bool = True, **settings: Any) -> House:
            folder = Settings(data=tmp_path / "house", public_url=PUBLIC_URL, **(shared | settings))
            platform = assemble(folder, backends={"*": backend or TestCard()}, works=works)
            await platform.start()
            closing.push_async_callback(platform.stop)
            clock = MovableClock()
            platform.door.clock = clock
            key = await new_key(platform, "first", 100)
            client = await closing.enter_async_context(
                httpx2.AsyncClient(
                    transport=httpx2.ASGITransport(app=platform.app, raise_app_exceptions=False),
                    base_url=PUBLIC_URL,
                    headers={"Authorization": f"Bearer {key}"},
                )
            )
            return House(platform, client, key, clock)

        yield made


@pytest.fixture
async def house(build: Callable[..., Awaitable[House]]) -> House:
    """A house whose pictures take no time."""
    return await build()


@pytest.fixture
async def idle_house(build: Callable[..., Awaitable[House]]) -> House:
    """A house in which nobody works: jobs stay pending."""
    return await build(works=False)


@pytest.fixture
def picture() -> bytes:
    """A small PNG that a caller might send."""
    file = io.BytesIO()
    Image.new("RGB", (48, 32), (200, 30, 30)).save(file, "PNG")
    return file.getvalue()


class Unable:
    """A backend that fails every request."""

    name = "unable"
    slots = 4

    async def generate(self, request: GenerationRequest, inputs: Sequence[Path]) -> AsyncGenerator[Progress, None]:
        raise GenerationFailed("The brush broke.")
        yield


SLOW, FAILING, UNSERVED = "flux-schnell", "flux-krea-dev", "flux-pro"


@pytest.fixture(scope="session")
def live(install: Callable[..., Any]) -> Any:
    """An installation that vendors' SDKs reach at `url`, with keys from `new_key(credit)`.

    Pictures take no time, but `flux-schnell` takes a second and a half, `flux-krea-dev` fails, `flux-pro` has no
    backend. It may call this machine.
    """
    quick = {model.id: TestCard() for model in Catalog.load().models if model.id != UNSERVED}
    backends = {**quick, SLOW: TestCard(steps=5, step_seconds=0.3), FAILING: Unable()}
    return install(backends, egress_allow=(ip_network("127.0.0.0/8"),))


NODE_SDKS = Path(__file__).parents[1] / "sdk_node"
_OFFLINE = ("ENOTFOUND", "EAI_AGAIN", "ECONNREFUSED", "ECONNRESET", "ETIMEDOUT", "ENETUNREACH")


@pytest.fixture(scope="session")
def node_sdks(pytestconfig: pytest.Config, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the scripts of tests/sdk_node and the pinned SDKs, which are installed once for each lock file."""
    if shutil.which("node") is None or shutil.which("npm") is None:
        pytest.skip("Node and npm are not installed")
    lock = (NODE_SDKS / "package-lock.json").read_bytes()
    installed = pytestconfig.cache.mkdir(f"sdk_node-{hashlib.sha256(lock).hexdigest()[:16]}")
    with (installed / "lock").open("w") as turn:
        fcntl.flock(turn, fcntl.LOCK_EX)
        if not (installed / "done").exists():
            for name in ("package.json", "package-lock.json"):
                shutil.copy(NODE_SDKS / name, installed)
            _npm_ci(installed)
            (installed / "done").touch()
    folder = tmp_path_factory.mktemp("sdk_node")
    for script in NODE_SDKS.glob("*.mjs"):
        shutil.copy(script, folder)
    (folder / "node_modules").symlink_to(installed / "node_modules")
    return folder


def _npm_ci(folder: Path) -> None:
    command = ["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=300)
    if done.returncode:
        if any(code in done.stderr for code in _OFFLINE):
            pytest.skip("the npm registry cannot be reached")
        pytest.fail(f"npm ci: {done.stderr[-2000:]}")


@pytest.fixture(scope="session")
def node(node_sdks: Path, live: Any) -> Callable[..., Any]:
    """Runs a script of tests/sdk_node against `live`; what it printed as JSON.

    Named values reach it as environment variables in capitals, beside HOUSE_URL and, unless given, a HOUSE_KEY.
    """

    def run(script: str, **given: str) -> Any:
        named = {"HOUSE_URL": live.url} | {name.upper(): value for name, value in given.items()}
        if "HOUSE_KEY" not in named:
            named["HOUSE_KEY"] = live.new_key()
        done = subprocess.run(
            ["node", script], cwd=node_sdks, env=os.environ | named, capture_output=True, text=True, timeout=120
        )
        assert done.returncode == 0, done.stderr[-4000:]
        return json.loads(done.stdout)

    return run

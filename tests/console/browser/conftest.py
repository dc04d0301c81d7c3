"""One installation and one Chromium for all tests of the pages, and axe-core to judge them."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest
from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright

from fluxhouse.core import accounts, ledger, people
from fluxhouse.core.people import Role
from fluxhouse.engine.testcard import TestCard

PASSWORD = "correct horse battery"
ADDRESS = "root@example.com"
SECRET = "whsec_of_the_tests"
_NAMES = ("chromium", "chromium-browser", "google-chrome")
_OFFLINE = ("ENOTFOUND", "EAI_AGAIN", "ECONNREFUSED", "ECONNRESET", "ETIMEDOUT", "ENETUNREACH")


def chromium_path() -> str:
    """Where the system has Chromium; skips where it has none."""
    found = next((path for path in map(shutil.which, _NAMES) if path), None)
    if found is None:
        pytest.skip("Chromium is not installed")
    return found


@pytest.fixture(scope="module")
def till() -> Iterator[str]:
    """The address of a localstripe that signs by `SECRET`."""
    program = [sys.executable, str(Path(__file__).parents[1] / "till.py"), SECRET]
    with subprocess.Popen(program, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield process.stdout.readline().strip()
        finally:
            process.terminate()


@pytest.fixture(scope="module")
def house(install: Callable[..., Any], request: pytest.FixtureRequest) -> Any:
    """An installation at an unhurried pace that sells credits, and Root, an administrator with a hundred of them."""
    executable = chromium_path()
    till = request.getfixturevalue("till")
    stripe = {"stripe_secret": "sk_test_till", "stripe_webhook_secret": SECRET, "stripe_api": till}
    house = install({"*": TestCard(steps=6, step_seconds=0.1)}, sign_up=True, **stripe)
    word = {"url": f"{house.url}/webhooks/stripe", "secret": SECRET, "events": ["checkout.session.completed"]}
    httpx2.post(f"{till}/_config/webhooks/house", json=word).raise_for_status()
    house.chromium = executable
    now = house.platform.door.clock.now()

    def join(connection: Any) -> str:
        account = accounts.create(connection, "root", now)
        ledger.grant(connection, account.id, 100_000_000, now, "to begin with")
        people.create(connection, account.id, ADDRESS, people.digest_password(PASSWORD), Role.ADMIN, now)
        return account.id

    house.account_id = house.do(house.platform.database.write(join))
    return house


@pytest.fixture(scope="module")
def chromium(house: Any) -> Iterator[Browser]:
    """The system's Chromium without a window, closed before any other test needs an event loop in this thread."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=house.chromium, args=["--no-sandbox"])
        yield browser
        browser.close()


def opened(chromium: Browser, house: Any, said: list[str]) -> BrowserContext:
    """A browser's profile whose pages add to `said` what they complain about: errors, refusals of the policy."""
    context = chromium.new_context(base_url=house.url, reduced_motion="reduce", color_scheme="light")
    context.set_default_timeout(15_000)
    context.on("weberror", lambda error: said.append(str(error.error)))
    context.on("console", lambda message: said.append(message.text) if message.type in ("error", "warning") else None)
    return context


@pytest.fixture(scope="module")
def complaints() -> list[str]:
    """What the pages of `page` and `stranger` have complained about since it was last cleared."""
    return []


@pytest.fixture(scope="module")
def stranger(chromium: Browser, house: Any, complaints: list[str]) -> Iterator[Page]:
    """A page of somebody who is not signed in."""
    with opened(chromium, house, complaints) as context:
        yield context.new_page()


@pytest.fixture(scope="module")
def page(chromium: Browser, house: Any, complaints: list[str]) -> Iterator[Page]:
    """A page of Root's, who has signed in by the form."""
    with opened(chromium, house, complaints) as context:
        page = context.new_page()
        page.goto("/sign-in")
        page.get_by_label("E-mail address").fill(ADDRESS)
        page.get_by_label("Password").fill(PASSWORD)
        page.get_by_role("button", name="Sign in").click()
        page.wait_for_url("**/models")
        yield page


@pytest.fixture(scope="session")
def axe(pytestconfig: pytest.Config) -> str:
    """axe-core's program, installed from the npm registry once for each lock file."""
    if shutil.which("npm") is None:
        pytest.skip("Node and npm are not installed")
    here = Path(__file__).parent
    lock = (here / "package-lock.json").read_bytes()
    folder = pytestconfig.cache.mkdir(f"axe-{hashlib.sha256(lock).hexdigest()[:16]}")
    script = folder / "node_modules" / "axe-core" / "axe.min.js"
    if not script.exists():
        for name in ("package.json", "package-lock.json"):
            shutil.copy(here / name, folder)
        command = ["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund"]
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=120)
        if done.returncode and any(code in done.stderr for code in _OFFLINE):
            pytest.skip("the npm registry cannot be reached")
        assert done.returncode == 0, done.stderr[-2000:]
    return script.read_text("utf-8")

"""The documentation's addresses as a browser asks for them."""

from decimal import Decimal

import httpx2
import pytest
from starlette.applications import Starlette

from fluxhouse.catalog.catalog import Catalog
from fluxhouse.console.pages import routes
from fluxhouse.generation.backend import Serving


@pytest.fixture
async def browser():
    serving = {"flux-dev": Serving("house", 8, 3.5)}
    app = Starlette(routes=routes(Catalog.load(), serving, "http://house.test", Decimal("0.025")))
    async with httpx2.AsyncClient(transport=httpx2.ASGITransport(app=app), base_url="http://house.test") as client:
        yield client


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/docs", "text/html; charset=utf-8"),
        ("/docs/flux-kontext-pro", "text/html; charset=utf-8"),
        ("/llm.txt", "text/plain; charset=utf-8"),
        ("/llms.txt", "text/plain; charset=utf-8"),
        ("/llm/flux-1.1-pro.txt", "text/plain; charset=utf-8"),
        ("/static/docs.css", "text/css; charset=utf-8"),
    ],
)
async def test_pages_are_served_under_a_strict_policy(browser, path, kind):
    """Each page has its type, and a policy under which nothing foreign and no script runs."""
    for _ in range(2):
        answer = await browser.get(path)
        assert (answer.status_code, answer.headers["content-type"]) == (200, kind)
        assert "default-src 'none'" in answer.headers["content-security-policy"]
        assert "script-src" not in answer.headers["content-security-policy"]
        assert "<script" not in answer.text
        assert "style=" not in answer.text


async def test_pages_lead_to_each_other(browser):
    """Every address of ours that the index names can be asked for."""
    text = (await browser.get("/docs")).text
    paths = {part.split('"')[0] for part in text.split('href="')[1:]}
    own = {path for path in paths if path.startswith(("/docs", "/llm", "/static"))}
    assert len(own) > 15
    for path in own:
        assert (await browser.get(path)).status_code == 200

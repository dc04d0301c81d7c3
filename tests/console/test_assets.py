"""Static files: joined, addressed by content, kept for ever by browsers."""

import pytest

from fluxhouse.console.assets import SHEET, Assets


async def test_an_address_names_its_content_and_may_be_kept(browser):
    """One sheet for all, its layers in order; an address of another version is answered but not kept."""
    address = Assets().address(SHEET)
    answer = await browser.get(address)
    assert (answer.status_code, answer.headers["content-type"]) == (200, "text/css; charset=utf-8")
    assert "immutable" in answer.headers["cache-control"]
    assert answer.text.startswith("@layer reset, tokens, base, layout, parts, print;")
    older = await browser.get("/static/000000000000/" + SHEET)
    assert (older.text, older.headers["cache-control"]) == (answer.text, "no-cache")


@pytest.mark.parametrize("path", ["css/none.css", "../console.py", "%2e%2e/console.py", ""])
async def test_what_is_no_static_file_is_not_there(browser, path):
    """Nothing outside the folder is ever read."""
    assert (await browser.get("/static/0/" + path)).status_code == 404


def test_a_template_that_names_no_file_fails():
    """A wrong name is found when the page is drawn."""
    with pytest.raises(KeyError):
        Assets().address("js/none.js")

"""What every page carries, and how amounts and moments are written."""

from datetime import UTC, datetime, timedelta

import pytest

from fluxhouse.console.rendering import coded, credits_text, moment, span_text


async def test_every_page_is_under_a_policy_without_exceptions(browser):
    """Scripts, styles and fonts of our own only; no inline anything; nobody frames it."""
    answer = await browser.get("/sign-in")
    policy = answer.headers["content-security-policy"]
    assert "unsafe" not in policy
    assert "frame-ancestors 'none'" in policy
    assert answer.headers["cache-control"] == "private, no-cache"
    assert "style=" not in answer.text
    assert "onclick" not in answer.text


async def test_an_error_is_a_page_where_people_look_and_json_where_programs_do(browser):
    """Each in its own words."""
    page = await browser.get("/admin/none")
    assert (page.status_code, page.headers["content-type"]) == (404, "text/html; charset=utf-8")
    assert "<h1>Nothing here</h1>" in page.text
    assert (await browser.get("/api/v1/none")).json()["error"]["code"] == "not_found"


@pytest.mark.parametrize(
    ("micro", "text"),
    [(1_000_000, "1 credit"), (0, "0 credits"), (2_500_000, "2.5 credits"), (1_234_000_000, "1,234 credits")],
)
def test_credits_are_written_in_words(micro, text):
    """Never as a float."""
    assert credits_text(micro) == text


def test_text_from_the_catalog_is_escaped_and_its_code_marked():
    """Backticks mark code."""
    assert str(coded("a `b` <c>")) == "a <code>b</code> &lt;c&gt;"


def test_a_moment_names_its_zone_for_machines():
    """To the minute for people, to the second for machines."""
    written = str(moment(datetime(2026, 3, 1, 9, 5, 7, tzinfo=UTC)))
    assert written == '<time datetime="2026-03-01T09:05:07Z">1 Mar 2026, 09:05</time>'
    assert str(moment(None)) == "&ndash;"


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(-5, "0 s"), (119, "119 s"), (120, "2 min"), (7199, "119 min"), (7200, "2 h"), (86_399, "23 h"), (200_000, "2 d")],
)
def test_a_span_is_said_in_one_unit(seconds, words):
    """The largest that leaves a number of some size."""
    assert span_text(timedelta(seconds=seconds)) == words

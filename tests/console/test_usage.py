"""The page of usage: filters, figures, chart and table that agree, and the CSV."""

import csv
import io
import re
from datetime import timedelta

import pytest

from fluxhouse.core import keys, usage
from fluxhouse.core.topup import topup
from fluxhouse.core.usage import Slot

MADE = {"submitted": 3, "succeeded": 2, "failed": 1, "images": 4, "captured_micro": 2_500_000, "inference_seconds": 1.5}


@pytest.fixture
async def ada(place, browser):
    """Ada, signed in, with two keys, two models and two days."""
    await browser.sign_in()
    account_id, pepper, now = place.ada.account_id, place.door.options.pepper, place.clock.now()
    browser.shop = (await place.write(keys.issue, account_id, pepper, now, "=shop()"))[0].id
    browser.blog = (await place.write(keys.issue, account_id, pepper, now, "blog"))[0].id
    await place.write(usage.count, Slot(account_id, browser.shop, "flux"), now, MADE)
    await place.write(usage.count, Slot(account_id, browser.blog, "flux-dev"), now - timedelta(days=1), MADE)
    await place.write(usage.count, Slot(account_id, browser.blog, "flux-dev"), now, {"refused": 7})
    await place.write(usage.count, Slot(place.root.account_id, browser.blog, "flux"), now, {"images": 1000})
    return browser


def figures(page):
    return re.findall(r'figure-number">([^<]+)<', page)


FIGURES = [
    ("", ["13", "8", "5", "2"]),
    ("?model=flux", ["3", "4", "2.5", "1"]),
    ("?key={blog}", ["10", "4", "2.5", "1"]),
    ("?model=none", ["0", "0", "0", "0"]),
    ("?from=2020-01-01&to=2020-01-02", ["0", "0", "0", "0"]),
]


async def test_the_figures_are_what_was_counted(ada):
    """Refused requests too; nobody else's."""
    for query, shown in FIGURES:
        page = await ada.get("/usage" + query.format(blog=ada.blog))
        assert (page.status_code, figures(page.text)) == (200, shown)


async def test_the_chart_and_its_table_say_the_same(place, ada):
    """By key, with a way from each day to its jobs; today is hatched."""
    page = (await ada.get("/usage?metric=images&group=key")).text
    today = place.clock.now().date()
    assert re.findall(r"<title>([^<]+)</title></rect>", page)[-1].endswith("=shop(): 4")
    assert page.count("url(#hatch)") == 1
    assert f'<a href="/gallery?from={today}&amp;to={today}">{today}</a></th><td class="number">4</td>' in page
    assert "style=" not in page


async def test_completed_jobs_are_timed_by_model_and_all_together(place, ada):
    """From submit to end; the model's page says what an image takes once three were made."""
    await place.write(topup, "ada", 10_000_000, place.clock.now())
    headers = {"x-form-token": await ada.form_token(), "prefer": "wait=20"}
    body = {"prompt": "a fox", "width": 256, "height": 256}
    for _ in range(3):
        assert "<dt>Takes</dt>" not in (await ada.get("/models/flux-schnell")).text
        await ada.post("/console/api/v1/models/flux-schnell/run", json=body, headers=headers)
    assert "<dt>Takes</dt>" in (await ada.get("/models/flux-schnell")).text
    page = (await ada.get("/usage")).text
    assert re.search(r"half within [\d.]+ s, nine of ten within [\d.]+ s", page)
    assert len(re.findall(r'data-name="p[59]0">[\d.]+ s<', page)) == 2
    assert "nine of ten within" not in (await ada.get("/usage?model=flux-dev")).text


async def test_nonsense_is_told(ada):
    """With what is allowed."""
    periods = ("from=soon", "from=2026-02-01&to=2026-01-01", "from=2020-01-01&to=2026-01-01")
    for query in (*periods, "metric=x", "group=x"):
        assert (await ada.get(f"/usage?{query}")).status_code == 400


async def test_the_csv_has_every_row_and_no_formula(ada):
    """With the filters of the page; a key's name that a spreadsheet would compute is quoted."""
    answer = await ada.get("/usage/days.csv")
    assert answer.headers["content-type"].startswith("text/csv")
    assert "attachment" in answer.headers["content-disposition"]
    rows = list(csv.DictReader(io.StringIO(answer.text)))
    assert [(row["key_name"], row["requests"], row["refused"], row["credits"]) for row in rows] == [
        ("'=shop()", "3", "0", "2.5"),
        ("blog", "7", "7", "0"),
        ("blog", "3", "0", "2.5"),
    ]
    assert (await ada.get("/usage/days.csv?model=none")).text.count("\n") == 1


async def test_strangers_see_nothing(browser):
    """They are sent to sign in."""
    for path in ("/usage", "/usage/days.csv"):
        assert (await browser.get(path)).status_code == 303

"""The gallery: what hangs there, for whom, and until when."""

import io
import re

import pytest
from PIL import Image

from fluxhouse.core.topup import topup

RUN = "/console/api/v1/models/flux-dev/run"


@pytest.fixture
async def ada(place, browser):
    """Ada, signed in, with credits; `make(prompt)` runs a job and gives its id as the API spells it."""
    await place.write(topup, "ada", 100_000_000, place.clock.now())
    await browser.sign_in()
    token = await browser.form_token()

    async def make(prompt, **fields):
        body = {"prompt": prompt, "width": 256, "height": 256, **fields}
        headers = {"x-form-token": token, "prefer": "wait=20"}
        answer = await browser.post(RUN, json=body, headers=headers)
        assert answer.json()["status"] == "completed", answer.text
        return answer.json()["jobId"]

    browser.make = make
    return browser


def prompts(page):
    return re.findall(r'class="cover prompt"[^>]*>([^<]*)<', page.text)


async def test_jobs_hang_newest_first_and_are_found_again(place, ada):
    """By words and by state; the page says what it costs and when it goes."""
    for prompt in ("a red circle", "a blue <b>square</b>"):
        await ada.make(prompt)
        place.clock.advance(seconds=1)
    page = await ada.get("/gallery")
    assert prompts(page) == ["a blue &lt;b&gt;square&lt;/b&gt;", "a red circle"]
    assert ("1 credit" in page.text, "expires in 23 h" in page.text) == (True, True)
    assert prompts(await ada.get("/gallery?q=RED")) == ["a red circle"]
    assert prompts(await ada.get("/gallery?state=failed")) == []
    assert (await ada.get("/gallery?state=odd")).status_code == 400


async def test_pages_have_addresses(place, ada, monkeypatch):
    """Older jobs are one link away, with the filters kept."""
    monkeypatch.setattr("fluxhouse.console.gallery.PAGE", 2)
    for number in range(3):
        await ada.make(f"circle {number}")
        place.clock.advance(seconds=1)
    first = await ada.get("/gallery?q=circle")
    older = re.search(r'rel="next" href="([^"]+)"', first.text)[1].replace("&amp;", "&")
    second = await ada.get(older)
    assert (prompts(first), prompts(second)) == (["circle 2", "circle 1"], ["circle 0"])
    assert 'rel="next"' not in second.text


async def test_a_thumbnail_is_the_owners_alone(place, ada):
    """Small, kept by the browser until the picture expires; unknown to everybody else."""
    job = await ada.make("a red circle")
    address = f"/gallery/{job}/thumbnail/0"
    answer = await ada.get(address)
    assert (answer.headers["content-type"], "immutable" in answer.headers["cache-control"]) == ("image/webp", True)
    with Image.open(io.BytesIO(answer.content)) as small:
        assert small.size == (256, 256)
    assert (await ada.get(f"/gallery/{job}/thumbnail/1")).status_code == 404
    other = place.browser()
    assert (await other.get(address)).status_code == 303
    await other.sign_in("root@example.com")
    assert (await other.get(address)).status_code == 404
    assert prompts(await other.get("/gallery")) == []
    await other.client.aclose()

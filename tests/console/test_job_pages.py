"""The page of one job: what it shows, what its buttons do, and that nobody else can see or press them."""

import re
from urllib.parse import parse_qs

import pytest

from fluxhouse.core import jobs, webhooks
from fluxhouse.core.topup import topup
from fluxhouse.core.webhooks import WebhookState

BODY = {"prompt": "a 'red' circle & more", "width": 256, "height": 256, "seed": 7}


@pytest.fixture
async def ada(place, browser):
    """Ada, signed in, with a finished job of her own."""
    await place.write(topup, "ada", 100_000_000, place.clock.now())
    await browser.sign_in()
    browser.token = await browser.form_token()
    headers = {"x-form-token": browser.token, "prefer": "wait=20"}
    answer = await browser.post("/console/api/v1/models/flux-dev/run", json=BODY, headers=headers)
    browser.job = answer.json()["jobId"]
    return browser


async def press(browser, button):
    return await browser.post(f"/gallery/{browser.job}/{button}", {"form_token": browser.token})


async def test_the_page_shows_the_picture_and_how_to_make_it_again(ada):
    """By an address that the API itself would give; the playground opens with the same parameters."""
    page = (await ada.get(f"/gallery/{ada.job}")).text
    address = re.search(r'<img src="([^"]+)"', page)[1].replace("&amp;", "&")
    assert (await ada.get(address)).headers["content-type"] == "image/png"
    fragment = re.search(r'href="/playground/flux-dev#([^"]+)"', page)[1].replace("&amp;", "&")
    again = {name: values[0] for name, values in parse_qs(fragment, strict_parsing=True).items()}
    assert again == {"prompt": BODY["prompt"], "seed": "7", "width": "256", "height": "256"}
    for words in ("256 \u00d7 256", "Set aside", "Charged", "a &#39;red&#39; circle &amp; more", "Console"):
        assert words in page
    assert (await ada.get(f"/gallery/{ada.job.removeprefix('job_')}")).status_code == 200


async def test_deleted_pictures_are_gone_and_their_job_stays(place, ada):
    """For everybody who has their address, thumbnails too."""
    page = (await ada.get(f"/gallery/{ada.job}")).text
    address = re.search(r'<img src="([^"]+)"', page)[1].replace("&amp;", "&")
    await ada.get(f"/gallery/{ada.job}/thumbnail/0")
    assert (await press(ada, "delete")).status_code == 303
    assert (await ada.get(address)).status_code == 410
    assert (await ada.get(f"/gallery/{ada.job}/thumbnail/0")).status_code == 410
    assert "pictures were deleted" in (await ada.get(f"/gallery/{ada.job}")).text
    assert (await press(ada, "delete")).status_code == 410
    assert [key async for key in place.door.storage.keys("outputs/")] == []


async def test_what_has_ended_cannot_be_cancelled(ada):
    """And the page says so."""
    assert (await press(ada, "cancel")).status_code == 409


async def test_a_webhook_is_shown_and_sent_again(place, ada):
    """Attempt by attempt; a job without one has nothing to send."""
    assert (await press(ada, "replay")).status_code == 404
    job = await place.read(jobs.get, ada.job.removeprefix("job_"))
    await place.write(webhooks.expect, job, "http://127.0.0.1:9/hook")
    assert (await press(ada, "replay")).status_code == 303
    assert (await place.read(webhooks.of_job, job.id)).state is WebhookState.PENDING
    page = (await ada.get(f"/gallery/{ada.job}")).text
    assert ("http://127.0.0.1:9/hook" in page, "pending" in page, "Send again" in page) == (True, True, True)


async def test_foreign_jobs_are_unknown(place, ada):
    """To the page and to every button."""
    other = place.browser()
    await other.sign_in("root@example.com")
    token = await other.form_token()
    assert (await other.get(f"/gallery/{ada.job}")).status_code == 404
    for button in ("cancel", "delete", "replay"):
        answer = await other.post(f"/gallery/{ada.job}/{button}", {"form_token": token})
        assert answer.status_code == 404
    assert (await other.get("/gallery/job_nothing")).status_code == 404
    await other.client.aclose()


async def test_another_site_presses_no_button(ada):
    """A form without its token is refused."""
    for button in ("cancel", "delete", "replay"):
        assert (await ada.post(f"/gallery/{ada.job}/{button}", {})).status_code == 403

"""The bridge: our own API for who is signed in, and for nobody else."""

from fluxhouse.core import keys
from fluxhouse.core.topup import topup

API = "/console/api/v1"
BODY = {"prompt": "a red circle", "width": 256, "height": 256}


async def test_who_is_signed_in_asks_and_runs_by_the_same_api(place, browser):
    """A run, its poll and the balance work by cookie, for the own account only."""
    await place.write(topup, "ada", 5_000_000, place.clock.now())
    await browser.sign_in()
    assert (await browser.get(f"{API}/credits")).json()["balance"] == 5
    token = await browser.form_token("/docs/none")
    headers = {"x-form-token": token, "prefer": "wait=20"}
    answer = await browser.post(f"{API}/models/flux-dev/run", json=BODY, headers=headers)
    assert (answer.status_code, answer.json()["status"]) == (200, "completed")
    job = answer.json()["jobId"]
    assert (await browser.get(f"{API}/jobs/{job}")).json()["jobId"] == job
    assert [key.label for key in await place.read(keys.of_account, place.ada.account_id)] == ["Console"]
    other = place.browser()
    await other.sign_in("root@example.com")
    assert (await other.get(f"{API}/jobs/{job}")).status_code == 404
    await other.client.aclose()


async def test_a_stranger_is_told_to_sign_in(browser):
    """Without a session the bridge says so in JSON."""
    answer = await browser.get(f"{API}/credits")
    assert (answer.status_code, answer.json()["error"]["code"]) == (401, "sign_in_needed")


async def test_what_changes_anything_needs_the_form_token_and_our_origin(browser):
    """One without the other is refused."""
    await browser.sign_in()
    token = await browser.form_token("/docs/none")
    for site, headers in [("same-origin", {}), ("cross-site", {"x-form-token": token})]:
        answer = await browser.post(f"{API}/models/flux-dev/run", json=BODY, site=site, headers=headers)
        assert (answer.status_code, answer.json()["error"]["code"]) == (403, "form_refused")


async def test_cookie_and_key_never_mix(place, browser):
    """A key opens no console address, and a cookie no API address."""
    _, text = await place.write(keys.issue, place.ada.account_id, place.door.options.pepper, place.clock.now())
    headers = {"authorization": f"Bearer {text}"}
    assert (await browser.get("/api/v1/credits", headers=headers)).status_code == 200
    assert (await browser.get(f"{API}/credits", headers=headers)).status_code == 403
    await browser.sign_in()
    assert (await browser.get("/api/v1/credits")).status_code == 401


async def test_the_bridge_answers_no_other_origin(browser):
    """No CORS header leaves it."""
    await browser.sign_in()
    answer = await browser.get(f"{API}/credits", headers={"origin": "http://evil.test"})
    assert "access-control-allow-origin" not in answer.headers

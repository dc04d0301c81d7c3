"""Signing in, up and out: who gets a session, who does not, and what a form must bring."""

import pytest

from fluxhouse.core import attempts, sessions

PASSWORD = "correct horse battery"  # as conftest has it


async def signed_in_as(browser):
    page = (await browser.get("/docs/none")).text
    return [address for address in ("ada@example.com", "root@example.com", "new@example.com") if address in page]


async def test_a_password_opens_a_session_and_signing_out_ends_it(place, browser):
    """The cookie is kept from scripts, and leaving clears what the browser kept."""
    answer = await browser.sign_in()
    cookie = answer.headers["set-cookie"]
    assert ("HttpOnly" in cookie, "SameSite=lax" in cookie, "Secure" in cookie) == (True, True, False)
    assert answer.headers["location"] == "/models"
    assert await signed_in_as(browser) == ["ada@example.com"]
    left = await browser.post("/sign-out", {"form_token": await browser.form_token("/docs/none")})
    assert (left.status_code, left.headers["clear-site-data"]) == (303, '"cache", "storage"')
    assert await signed_in_as(browser) == []


@pytest.mark.parametrize(
    ("address", "password"), [("ada@example.com", "wrong password"), ("nobody@example.com", PASSWORD), ("", "")]
)
async def test_a_wrong_address_and_a_wrong_password_are_told_alike(browser, address, password):
    """Nobody learns which addresses exist."""
    answer = await browser.post("/sign-in", {"address": address, "password": password})
    assert answer.status_code == 403
    assert "This address and this password do not go together" in answer.text
    assert "set-cookie" not in answer.headers


async def test_after_ten_wrong_passwords_the_right_one_waits_too(place, browser):
    """Attempts are counted by address; others are not kept out."""
    for _ in range(10):
        await browser.post("/sign-in", {"address": "ada@example.com", "password": "x"})
    right = {"address": "ada@example.com", "password": PASSWORD}
    assert (await browser.post("/sign-in", right)).status_code == 429
    assert (await browser.sign_in("root@example.com")).status_code == 303
    place.clock.advance(minutes=15)
    assert (await browser.post("/sign-in", right)).status_code == 303
    assert len(await place.read(lambda c: c.execute(attempts.attempts.select()).all())) == 1


@pytest.mark.parametrize(
    ("site", "headers"),
    [
        ("cross-site", {}),
        ("same-site", {}),
        (None, {}),
        (None, {"origin": "http://evil.test"}),
        ("cross-site", {"origin": "http://house.test"}),
    ],
)
async def test_another_site_cannot_sign_anybody_in(browser, site, headers):
    """Neither by what the browser says of the page nor by its silence."""
    form = {"address": "ada@example.com", "password": PASSWORD}
    answer = await browser.post("/sign-in", form, site=site, headers=headers)
    assert (answer.status_code, "set-cookie" in answer.headers) == (403, False)


async def test_plain_http_browsers_send_origin_alone(browser):
    """There `Sec-Fetch-Site` is not sent."""
    form = {"address": "ada@example.com", "password": PASSWORD}
    answer = await browser.post("/sign-in", form, site=None, headers={"origin": "http://house.test"})
    assert answer.status_code == 303


async def test_a_form_without_its_token_is_refused(place, browser):
    """A token of another session is as good as none."""
    await browser.sign_in()
    assert (await browser.post("/sign-out", {})).status_code == 403
    other = place.browser()
    await other.sign_in("root@example.com")
    stolen = await other.form_token("/docs/none")
    await other.client.aclose()
    assert (await browser.post("/sign-out", {"form_token": stolen})).status_code == 403
    assert await signed_in_as(browser) == ["ada@example.com"]


@pytest.mark.parametrize(
    ("sent", "led"),
    [("/usage", "/usage"), ("//evil.test", "/models"), ("https://evil.test", "/models"), ("/\\evil.test", "/models")],
)
async def test_after_signing_in_one_is_led_to_a_page_of_ours(browser, sent, led):
    """An address of somebody else leads home instead."""
    form = {"address": "ada@example.com", "password": PASSWORD, "next": sent}
    assert (await browser.post("/sign-in", form)).headers["location"] == led


async def test_signing_in_again_ends_the_session_before(place, browser):
    """The token before is useless."""
    await browser.sign_in()
    await browser.sign_in()
    assert len(await place.read(lambda c: c.execute(sessions.sessions.select()).all())) == 1


async def test_the_theme_is_kept_and_the_server_writes_it(browser):
    """Only the three known themes are kept."""
    answer = await browser.post("/theme", {"theme": "dark", "back": "/sign-in"})
    assert (answer.status_code, answer.headers["location"]) == (303, "/sign-in")
    assert '<html lang="en" data-theme="dark">' in (await browser.get("/sign-in")).text
    await browser.post("/theme", {"theme": '"><script>', "back": "/sign-in"})
    assert 'data-theme="dark"' in (await browser.get("/sign-in")).text


@pytest.mark.parametrize("headers", [{"origin": "http://["}, {"origin": "null"}, {"origin": ""}])
async def test_an_origin_that_is_none_is_refused(browser, headers):
    """Whatever it says."""
    form = {"address": "ada@example.com", "password": PASSWORD}
    assert (await browser.post("/sign-in", form, site=None, headers=headers)).status_code == 403


async def test_what_makes_no_sense_is_refused_and_breaks_nothing(browser):
    """A referrer that is no address, a token of other letters, an address with a NUL."""
    left = await browser.post("/sign-out", {}, headers={"referer": "http://["})
    assert (left.status_code, left.headers["location"]) == (303, "/sign-in?next=/")
    await browser.sign_in()
    assert (await browser.post("/sign-out", {"form_token": "é"})).status_code == 403
    stripped = await browser.post("/sign-in", {"address": "ada\0@example.com", "password": PASSWORD})
    assert stripped.status_code == 303
    assert (await browser.get("/gallery?model=%00")).status_code == 400

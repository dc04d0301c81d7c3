"""A person's own page: the password, and everywhere that the person is signed in."""

import re

from fluxhouse.core import attempts, audit

PASSWORD, NEW = "correct horse battery", "another battery horse"  # the first is the fixtures'


async def ready(browser):
    await browser.sign_in()
    browser.token = await browser.form_token("/account")
    return browser


async def send(browser, path, **fields):
    return await browser.post(path, {"form_token": browser.token, **fields})


async def test_a_new_password_ends_every_other_session(place, browser):
    """The old one no longer works, this browser stays in, and it is noted without the password."""
    other = await ready(place.browser())
    await ready(browser)
    changed = await send(browser, "/account/password", old=PASSWORD, password=NEW)
    assert changed.headers["location"] == "/account?done=password"
    assert "You have a new password" in (await browser.get("/account?done=password")).text
    assert (await other.get("/account")).status_code == 303
    assert (await other.post("/sign-in", {"address": "ada@example.com", "password": PASSWORD})).status_code == 403
    await other.sign_in(password=NEW)
    (entry,) = await place.read(audit.latest, 5)
    assert (entry.actor, entry.action, dict(entry.facts)) == ("ada@example.com", "people.password", {})
    await other.client.aclose()


async def test_who_does_not_know_the_old_password_sets_no_new_one(place, browser):
    """Neither a wrong one nor a short new one; guessing is counted."""
    await ready(browser)
    wrong = await send(browser, "/account/password", old="wrong", password=NEW)
    assert (wrong.status_code, 'href="#old"' in wrong.text) == (400, True)
    assert (await send(browser, "/account/password", old=PASSWORD, password="short")).status_code == 400
    assert (await browser.post("/account/password", {"old": PASSWORD, "password": NEW})).status_code == 403
    for _ in range(8):
        await place.write(attempts.count, "address", "ada@example.com", 10, place.clock.now())
    assert (await send(browser, "/account/password", old=PASSWORD, password=NEW)).status_code == 429


async def test_sessions_are_listed_and_ended_one_or_all(place, browser):
    """Each by a name that is no token; the present one stays."""
    await ready(browser)
    others = [place.browser() for _ in range(3)]
    for other in others:
        place.clock.advance(seconds=1)
        await other.sign_in()
    page = (await browser.get("/account")).text
    names = re.findall(r'name="seat" value="([0-9a-f]{16})"', page)
    assert (len(names), page.count(">here<")) == (3, 1)
    await send(browser, "/account/sessions", seat=names[0])  # the newest
    assert [(await other.get("/account")).status_code for other in others] == [200, 200, 303]
    await send(browser, "/account/sessions", seat="all")
    assert [(await one.get("/account")).status_code for one in (*others, browser)] == [303, 303, 303, 200]
    for other in others:
        await other.client.aclose()

"""What administrators do to accounts: fresh, with a reason, noted, and never to themselves."""

import re

import pytest

from fluxhouse.core import accounts, audit, ledger, people


@pytest.fixture
async def root(place, browser):
    """Root, signed in, with a form token."""
    await browser.sign_in("root@example.com")
    browser.token = await browser.form_token("/account")
    return browser


async def send(browser, path, **fields):
    return await browser.post(path, {"form_token": browser.token, "why": "a test", **fields})


def file_of(person):
    return f"/admin/accounts/{person.account_id}"


async def log(place):
    return [(entry.actor, entry.action, entry.facts.get("why")) for entry in await place.read(audit.latest, 20)]


async def test_a_grant_needs_a_fresh_password_a_form_and_a_reason(place, root):
    """Without any of them nothing is granted; the page keeps what was typed."""
    grant = f"{file_of(place.ada)}/grant"
    silent = await send(root, grant, form="grant", amount="5", nonce="n", why="  ")
    assert (silent.status_code, 'value="5"' in silent.text, 'href="#grant-why"' in silent.text) == (400, True, True)
    assert (await root.post(grant, {"amount": "5", "why": "w"})).status_code == 403
    place.clock.advance(minutes=16)
    stale = await send(root, grant, amount="5", nonce="n")
    assert stale.headers["location"].startswith("/sign-in?again=1")
    assert "give your password once more" in (await root.get(file_of(place.ada))).text
    assert (await place.read(ledger.balance, place.ada.account_id)).total_micro == 0


async def test_a_grant_is_booked_and_noted_once(place, root):
    """The same form sent again grants nothing; a member cannot send it at all."""
    grant, form = f"{file_of(place.ada)}/grant", {"form": "grant", "amount": "2.5", "nonce": "n1"}
    assert (await send(root, grant, **form)).status_code == 303
    assert (await send(root, grant, **form)).status_code == 400
    assert (await place.read(ledger.balance, place.ada.account_id)).available_micro == 2_500_000
    assert await log(place) == [("root@example.com", "credits.grant", "a test")]
    assert "a test (n1)" in (await root.get(file_of(place.ada))).text
    for amount in ("0", "-1", "many", "0.0000001", "1e30", ""):
        assert (await send(root, grant, amount=amount, nonce="n2")).status_code == 400
    await root.sign_in()
    root.token = await root.form_token("/account")
    assert (await send(root, grant, amount="5", nonce="n3")).status_code == 403


async def test_an_account_is_suspended_and_resumed_but_never_ones_own(place, root):
    """Its people are out at once and in again later."""
    member = place.browser()
    await member.sign_in()
    assert (await send(root, f"{file_of(place.ada)}/suspend")).status_code == 303
    assert (await member.get("/account")).status_code == 303
    assert (await send(root, f"{file_of(place.ada)}/resume")).status_code == 303
    assert (await member.get("/account")).status_code == 200
    assert (await send(root, f"{file_of(place.root)}/suspend")).status_code == 400
    assert [action for _, action, _ in await log(place)] == ["accounts.resume", "accounts.suspend"]
    await member.client.aclose()


async def test_weights_are_whole_numbers_within_bounds(place, root):
    """What is refused changes nothing."""
    for weight, status in (("0", 400), ("1001", 400), ("2.5", 400), ("7", 303)):
        assert (await send(root, f"{file_of(place.ada)}/weight", weight=weight)).status_code == status
    assert (await place.read(accounts.get, place.ada.account_id)).weight == 7


async def test_accounts_are_made_and_found(place, root):
    """By a part of the name, in any case; a name that is taken is refused."""
    made = await send(root, "/admin/accounts", form="new", name="Pixel shop")
    page = (await root.get(made.headers["location"])).text
    assert "Nobody signs in" in page
    assert (await send(root, "/admin/accounts", form="new", name="ada")).status_code == 400
    found = (await root.get("/admin/accounts?q=PIXEL")).text
    assert re.findall(r'<a href="/admin/accounts/\w{32}">(.*?)</a>', found) == ["Pixel shop"]
    assert "No account has" in (await root.get("/admin/accounts?q=%25")).text
    assert (await root.get("/admin/accounts/nobody")).status_code == 404


async def test_people_join_get_roles_and_are_signed_out(place, root):
    """The new person can sign in; nobody changes the own role; a person of another account is not found."""
    path = file_of(place.ada)
    person = {"address": "Bob@example.com", "password": "a long enough one", "role": "member"}
    assert (await send(root, f"{path}/people", **person)).status_code == 303
    assert (await send(root, f"{path}/people", **person)).status_code == 400
    bob, _ = await place.read(people.by_address, "bob@example.com")
    member = place.browser()
    await member.sign_in("bob@example.com", person["password"])
    assert (await send(root, f"{path}/sign-out", person=bob.id)).status_code == 303
    assert (await member.get("/account")).status_code == 303
    assert (await send(root, f"{path}/role", person=bob.id, role="admin")).status_code == 303
    assert (await place.read(people.by_address, bob.address))[0].is_admin
    for person_id, role in ((bob.id, "king"), (place.root.id, "member"), ("nobody", "member")):
        assert (await send(root, f"{path}/role", person=person_id, role=role)).status_code == 400
    own = await send(root, f"{file_of(place.root)}/role", person=place.root.id, role="member")
    assert own.status_code == 400
    assert (await place.read(people.by_address, place.root.address))[0].is_admin
    await member.client.aclose()

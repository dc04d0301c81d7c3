"""Joining: strangers who make an account where they may, and the first administrator."""

import pytest

from fluxhouse.console.joining import first_admin_token
from fluxhouse.core import accounts, audit, people

PASSWORD = "correct horse battery"  # as conftest has it


async def signed_in_as(browser):
    page = (await browser.get("/docs/none")).text
    return [address for address in ("ada@example.com", "root@example.com", "new@example.com") if address in page]


async def test_a_stranger_signs_up_to_an_account_without_credits(place, browser):
    """A member, with an entry in the audit log."""
    answer = await browser.post("/sign-up", {"address": "New@Example.com", "password": PASSWORD})
    assert answer.status_code == 303
    assert await signed_in_as(browser) == ["new@example.com"]
    account = await place.read(accounts.by_name, "new@example.com")
    assert [person.is_admin for person in await place.read(people.of_account, account.id)] == [False]
    assert [entry.action for entry in await place.read(audit.latest, 5)] == ["people.sign_up"]


@pytest.mark.parametrize(
    ("form", "said"),
    [
        ({"address": "ada@example.com", "password": PASSWORD}, "already"),
        ({"address": "new@example.com", "password": "short"}, "10 to 200 characters"),
        ({"address": "new", "password": PASSWORD}, "looks like name@example.com"),
    ],
)
async def test_what_is_wrong_with_a_new_account_is_told_at_its_field(browser, form, said):
    """What was typed is kept, but for the password."""
    answer = await browser.post("/sign-up", form)
    assert (answer.status_code, said in answer.text, 'aria-invalid="true"' in answer.text) == (400, True, True)
    assert f'value="{form["address"]}"' in answer.text


async def test_the_first_administrator_needs_the_token_and_there_is_one_only(place, browser):
    """The link is dead as soon as there is one."""
    token = first_admin_token(place.door.options.pepper)
    assert (await browser.get(f"/welcome?token={token}")).status_code == 404

    def nobody(connection):
        people.set_role(connection, place.root.id, people.Role.MEMBER)

    await place.database.write(nobody)
    assert (await browser.get("/welcome?token=wrong")).status_code == 404
    assert (await browser.get(f"/welcome?token={token}")).status_code == 200
    form = {"address": "new@example.com", "password": PASSWORD, "token": token}
    assert (await browser.post("/welcome", form | {"token": "wrong"})).status_code == 404
    assert (await browser.post("/welcome", form)).status_code == 303
    assert await signed_in_as(browser) == ["new@example.com"]
    again = form | {"address": "other@example.com"}
    assert (await browser.post("/welcome", again)).status_code == 404


async def test_the_first_administrator_never_joins_an_account_that_somebody_has(place, browser):
    """A stranger who signed up first would see all that the administrator makes."""
    await place.database.write(lambda c: people.set_role(c, place.root.id, people.Role.MEMBER))
    form = {"address": "new@example.com", "password": PASSWORD, "token": first_admin_token(place.door.options.pepper)}
    assert (await browser.post("/welcome", form)).status_code == 303
    joined, _ = await place.read(people.by_address, "new@example.com")
    assert joined.account_id not in (place.ada.account_id, place.root.account_id)
    assert len(await place.read(people.of_account, joined.account_id)) == 1

"""The pages of keys: shown once, limits, rolling, revoking, and whose they are."""

import re

import pytest

from fluxhouse.core import audit, keys
from fluxhouse.core.keys import Limits
from fluxhouse.generation.errors import InvalidKey

SHOP = {"label": "web shop", "scopes": ["run", "read"], "expires": "30", "cap": "5", "rate": "60", "models": ["flux"]}


@pytest.fixture
async def ada(place, browser):
    """Ada, signed in, with her form token."""
    await browser.sign_in()
    browser.token = await browser.form_token()
    return browser


async def send(browser, path, **fields):
    return await browser.post(path, {"form_token": browser.token, **fields})


async def keys_of(place, person):
    mine = await place.read(keys.of_account, person.account_id)
    return [key for key in mine if key.label != keys.CONSOLE_LABEL]


async def issued(place, person, label="old", **limits):
    return await place.write(
        keys.issue, person.account_id, place.door.options.pepper, place.clock.now(), label, Limits(**limits)
    )


async def test_a_key_is_shown_once_works_and_has_its_limits(place, ada):
    """The page is not stored; sending the form again makes no second key."""
    made = await send(ada, "/keys", nonce="n1", **SHOP)
    (text,) = set(re.findall(r"fh_\w{8}_\w{38}", made.text))
    assert (made.status_code, made.headers["cache-control"]) == (200, "no-store")
    caller = await place.read(keys.authenticate, text, place.door.options.pepper, place.clock.now())
    assert (caller.account.id, caller.key.label, caller.key.spend_cap_micro) == (
        place.ada.account_id,
        "web shop",
        5_000_000,
    )
    assert (caller.key.rate_per_minute, caller.key.models) == (60, {"flux"})
    again = await send(ada, "/keys", nonce="n1", **SHOP)
    assert (again.status_code, "cannot be shown again" in again.text) == (409, True)
    listed = (await ada.get("/keys")).text
    assert ("web shop" in listed, text in listed, len(await keys_of(place, place.ada))) == (True, False, 1)
    assert [entry.action for entry in await place.read(audit.latest, 5)] == ["keys.create"]


async def test_a_wrong_field_keeps_what_was_typed(ada, place):
    """Nothing is made, and the page leads to the field."""
    refused = await send(ada, "/keys", nonce="n", **SHOP | {"cap": "lots"})
    assert refused.status_code == 400
    assert 'href="#cap"' in refused.text
    assert 'value="web shop"' in refused.text
    assert await keys_of(place, place.ada) == []


@pytest.mark.parametrize("path", ["/keys", "/keys/{}", "/keys/{}/roll", "/keys/{}/revoke"])
async def test_changing_keys_wants_a_fresh_password_and_a_form_of_ours(place, ada, path):
    """At an unlocked screen, and for another site, nothing happens."""
    key, _ = await issued(place, place.ada)
    assert (await ada.post(path.format(key.id), SHOP)).status_code == 403
    place.clock.advance(minutes=16)
    answer = await send(ada, path.format(key.id), nonce="n", ends="0", **SHOP)
    assert (answer.status_code, answer.headers["location"][:16]) == (303, "/sign-in?again=1")
    assert await keys_of(place, place.ada) == [key]


async def test_other_limits_hold_from_the_next_call(place, ada):
    """Label and limits are replaced together."""
    key, _ = await issued(place, place.ada)
    page = await ada.get(f"/keys/{key.id}")
    assert 'value="old"' in page.text
    assert (await send(ada, f"/keys/{key.id}", **SHOP)).status_code == 303
    (after,) = await keys_of(place, place.ada)
    assert (after.label, after.spend_cap_micro, after.models) == ("web shop", 5_000_000, {"flux"})


async def test_rolling_keeps_the_limits_and_what_is_left_of_the_cap(place, ada):
    """Both work until the old one ends."""
    key, old = await issued(place, place.ada, spend_cap_micro=10)
    await place.write(keys.spend, key.id, 4, place.clock.now())
    made = await send(ada, f"/keys/{key.id}/roll", nonce="n2", ends="1")
    (text,) = set(re.findall(r"fh_\w{8}_\w{38}", made.text))
    pepper = place.door.options.pepper
    assert (await place.read(keys.authenticate, text, pepper, place.clock.now())).key.spend_cap_micro == 6
    assert await place.read(keys.authenticate, old, pepper, place.clock.now())
    place.clock.advance(hours=1)
    with pytest.raises(InvalidKey):
        await place.read(keys.authenticate, old, pepper, place.clock.now())


async def test_a_key_in_use_is_revoked_by_its_name(place, ada):
    """One that nothing depends on needs no name; a revoked one cannot be changed any more."""
    key, _ = await issued(place, place.ada)
    await place.write(keys.spend, key.id, 1, place.clock.now())
    assert (await send(ada, f"/keys/{key.id}/revoke", name="odd")).status_code == 400
    assert (await send(ada, f"/keys/{key.id}/revoke", name="old")).status_code == 303
    assert (await keys_of(place, place.ada))[0].revoked_at == place.clock.now()
    assert (await send(ada, f"/keys/{key.id}", **SHOP)).status_code == 404


async def test_foreign_keys_and_the_consoles_are_unknown(place, ada):
    """Neither is listed, shown or revoked."""
    foreign, _ = await issued(place, place.root, "foreign")
    pepper = place.door.options.pepper
    await place.write(keys.console_key, place.ada.account_id, pepper, place.clock.now())
    own = keys.console_key_id(place.ada.account_id, pepper)
    for key_id in (foreign.id, own, "nothing"):
        assert (await ada.get(f"/keys/{key_id}")).status_code == 404
        assert (await send(ada, f"/keys/{key_id}/revoke", name="foreign")).status_code == 404
    listed = (await ada.get("/keys")).text
    assert (foreign.id in listed, own in listed, "Create the first key" in listed) == (False, False, True)


async def test_strangers_are_sent_to_sign_in(browser):
    """And back to the page afterwards."""
    answer = await browser.get("/keys")
    assert (answer.status_code, answer.headers["location"]) == (303, "/sign-in?next=/keys")

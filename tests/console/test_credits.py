"""The page of credits: what there is, vouchers, and the ledger page by page."""

import re

import pytest

from fluxhouse.core import attempts, ledger, usage, vouchers
from fluxhouse.core.topup import topup
from fluxhouse.core.usage import Slot

MICRO = 1_000_000


@pytest.fixture
async def ada(place, browser):
    """Ada, signed in, with her form token."""
    await browser.sign_in()
    browser.token = await browser.form_token()
    return browser


async def redeem(browser, code):
    return await browser.post("/credits/voucher", {"form_token": browser.token, "code": code})


async def test_a_voucher_is_added_once(place, ada):
    """However it is typed; the page says what came in, and the ledger has it."""
    code = await place.write(vouchers.issue, 5 * MICRO, place.clock.now())
    added = await redeem(ada, code.lower())
    assert (added.status_code, added.headers["location"]) == (303, "/credits?redeemed=5000000")
    again = await redeem(ada, code)
    assert again.status_code == 400
    assert "There is no such voucher, or it has expired or was redeemed" in again.text
    page = (await ada.get("/credits?redeemed=5000000")).text
    assert ("5 credits from your voucher" in page, "Top-up" in page) == (True, True)
    assert (await place.read(ledger.balance, place.ada.account_id)).available_micro == 5 * MICRO


async def test_vouchers_cannot_be_guessed(place, ada):
    """After ten wrong codes the right one waits; a refused attempt stays counted."""
    code = await place.write(vouchers.issue, MICRO, place.clock.now())
    for _ in range(10):
        assert (await redeem(ada, "AAAAA-AAAAA-AAAAA-AAAAA")).status_code == 400
    assert (await redeem(ada, code)).status_code == 429
    place.clock.advance(minutes=15)
    ada.token = await ada.form_token()
    assert (await redeem(ada, code)).status_code == 303
    rows = await place.read(lambda c: c.execute(attempts.attempts.select()).all())
    assert {row.tries for row in rows} <= {1}


async def test_a_form_of_another_site_redeems_nothing(place, ada):
    """Not even with the cookie."""
    code = await place.write(vouchers.issue, MICRO, place.clock.now())
    assert (await ada.post("/credits/voucher", {"code": code})).status_code == 403
    assert (await place.read(ledger.balance, place.ada.account_id)).available_micro == 0


@pytest.mark.parametrize(
    ("has", "spent", "said"),
    [
        (0, 0, "nothing left to spend"),
        (10, 70, "they last 1 more day."),
        (69, 70, "they last 6 more days."),
        (70, 70, "what is left lasts 7 days"),
    ],
)
async def test_what_runs_low_is_told_in_time(place, ada, has, spent, said):
    """When less than a week is left at the pace of the last one."""
    now, account_id = place.clock.now(), place.ada.account_id
    if has:
        await place.write(topup, "ada", has * MICRO, now)
        slot = Slot(account_id, "key", "flux")
        await place.write(usage.count, slot, now, {"captured_micro": spent * MICRO})
    page = (await ada.get("/credits")).text
    assert said in page
    assert ("notice warn" in page) == (has < max(1, spent))


async def test_the_ledger_goes_back_page_by_page(place, ada):
    """Each line once, the newest first."""

    def grant(connection):
        for number in range(1, 54):
            topup(connection, "ada", number * MICRO, place.clock.now(), f"invoice {number}")

    await place.write(grant)
    first = (await ada.get("/credits")).text
    older = re.search(r'href="(/credits\?before=\d+)#ledger"', first)[1]
    second = (await ada.get(older)).text
    lines = [re.findall(r"invoice (\d+)", page) for page in (first, second)]
    assert lines == [[str(number) for number in range(53, 3, -1)], ["3", "2", "1"]]
    assert (await ada.get("/credits?before=99999999999999999999999")).status_code == 200

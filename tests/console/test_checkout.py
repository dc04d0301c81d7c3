"""Buying credits at localstripe: the way there and back, and every odd word of a payment."""

import asyncio
import hashlib
import hmac
import json
import re
import subprocess
import sys
import time
from pathlib import Path

import httpx2
import pytest

from fluxhouse.app import create_app
from fluxhouse.console.cashier import CreditPack
from fluxhouse.console.stripe_checkout import StripeCheckout
from fluxhouse.core import audit, ledger, payments
from fluxhouse.core.topup import MOST_MICRO, topup

WORTH = 200_000_000
SECRET = "whsec_of_the_tests"


@pytest.fixture(scope="module")
def till():
    """The address of a localstripe that signs by `SECRET` and keeps what it has told."""
    program = [sys.executable, Path(__file__).with_name("till.py"), SECRET]
    with subprocess.Popen(program, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield process.stdout.readline().strip()
        finally:
            process.terminate()


@pytest.fixture
async def ada(place, till):
    """Ada, signed in where credits are sold."""
    cashier = StripeCheckout(
        "sk_test_till", SECRET, [CreditPack(WORTH, 500, "usd"), CreditPack(5 * WORTH, 2500, "usd")], till
    )
    place.platform.app = create_app(place.door, place.platform.not_ready, cashier=cashier)
    browser = place.browser()
    await browser.sign_in()
    browser.token, browser.till = await browser.form_token("/credits"), till
    yield browser
    await browser.client.aclose()


async def buy(browser, pack=WORTH):
    return await browser.post("/credits/buy", {"form_token": browser.token, "pack": str(pack)})


async def tell(browser, event, *, secret=SECRET):
    """Send a message as Stripe would, who has no cookie."""
    body = json.dumps(event).encode()
    at = int(time.time())
    signature = f"t={at},v1={hmac.new(secret.encode(), b'%d.%s' % (at, body), hashlib.sha256).hexdigest()}"
    answer = await browser.client.post("/webhooks/stripe", content=body, headers={"stripe-signature": signature})
    return answer.status_code, answer.json().get("credited")


async def ordered(place):
    """The newest order of Ada's and a message that says it was paid."""
    order = (await place.read(payments.orders_of, place.ada.account_id, 1))[0]
    session = {
        "mode": "payment",
        "payment_status": "paid",
        "client_reference_id": order.id,
        "metadata": {"fluxhouse_order": order.id},
        "payment_intent": "pi_1",
        "amount_total": order.price_minor,
        "currency": order.currency,
    }
    return order, {"id": "evt_1", "type": "checkout.session.completed", "data": {"object": session}}


def changed(event, **fields):
    session = event["data"]["object"]
    return event | {"id": fields.pop("id", event["id"]), "data": {"object": session | fields}}


async def has(place):
    return (await place.read(ledger.balance, place.ada.account_id)).available_micro


async def test_a_pack_is_bought_at_localstripe(place, ada):
    """From the form to the page that takes the card, and by its signed webhook into the ledger, once."""
    page = await ada.get("/credits")
    assert ("5.00 USD" in page.text, f"form-action 'self' {ada.till};" in page.headers["content-security-policy"]) == (
        True,
        True,
    )
    sent = await buy(ada)
    assert sent.status_code == 303
    assert sent.headers["location"].startswith(f"{ada.till}/")
    async with httpx2.AsyncClient() as payer:
        back = (await payer.get(sent.headers["location"])).headers["location"].removeprefix("http://house.test")
        assert "as soon as the payment is confirmed" in (await ada.get(back)).text
        for _ in range(100):
            if told := (await payer.get(f"{ada.till}/_config/told")).json():
                break
            await asyncio.sleep(0.1)
    ((body, signature),) = told
    for credited in (True, False):
        answer = await ada.client.post("/webhooks/stripe", content=body, headers={"stripe-signature": signature})
        assert (answer.status_code, answer.json()) == (200, {"credited": credited})
    assert await has(place) == WORTH
    assert re.search(r"Paid: 200 credits are yours", (await ada.get(back)).text)
    assert [entry.action for entry in await place.read(audit.latest, 1)] == ["payments.credit"]


async def test_replayed_and_reordered_words_of_a_payment_count_once(place, ada):
    """Unpaid first, paid twice, the same payment by another event, all at once."""
    await buy(ada)
    _, event = await ordered(place)
    assert await tell(ada, changed(event, id="evt_0", payment_status="unpaid")) == (200, False)
    later = event | {"id": "evt_2", "type": "checkout.session.async_payment_succeeded"}
    answers = await asyncio.gather(*(tell(ada, word) for word in (event, event, later, event, later)))
    assert sorted(answers) == [(200, False)] * 4 + [(200, True)]
    assert await tell(ada, changed(event, id="evt_0", payment_status="unpaid")) == (200, False)
    assert await has(place) == WORTH


@pytest.mark.parametrize(
    "fields",
    [
        {"amount_total": 499},
        {"currency": "eur"},
        {"client_reference_id": "0" * 32, "metadata": {"fluxhouse_order": "0" * 32}},
    ],
)
async def test_a_payment_that_fits_no_order_credits_nothing(place, ada, fields):
    """Another amount, another currency, an order that never was."""
    await buy(ada)
    _, event = await ordered(place)
    assert await tell(ada, changed(event, **fields)) == (409, None)
    assert await has(place) == 0
    assert await tell(ada, event) == (200, True)


async def test_an_order_is_not_paid_twice_nor_one_payment_for_two(place, ada):
    """A second payment for it, and its payment for a second order."""
    await buy(ada)
    _, first = await ordered(place)
    assert await tell(ada, first) == (200, True)
    assert await tell(ada, changed(first, id="evt_2", payment_intent="pi_2")) == (409, None)
    assert await has(place) == WORTH


async def test_forged_words_credit_nothing(place, ada):
    """By a guessed secret, by none, and by one that is too long to read."""
    await buy(ada)
    _, event = await ordered(place)
    for secret in ("whsec_guessed", ""):
        assert await tell(ada, event, secret=secret) == (400, None)
    for content in (b"", b"x" * 300_000):
        assert (await ada.client.post("/webhooks/stripe", content=content)).status_code == 400
    assert await has(place) == 0


async def test_what_would_be_more_than_an_account_holds_is_refused(place, ada):
    """And nothing of it is written, so that it can be told again."""
    await place.write(topup, "ada", MOST_MICRO, place.clock.now())
    await buy(ada)
    _, event = await ordered(place)
    assert await tell(ada, event) == (409, None)
    assert await has(place) == MOST_MICRO


async def test_only_forms_of_ours_buy_what_is_offered(place, ada):
    """And not without end."""
    assert (await ada.post("/credits/buy", {"pack": str(WORTH)})).status_code == 403
    assert (await buy(ada, 1)).status_code == 400
    answers = [(await buy(ada)).status_code for _ in range(21)]
    assert (answers.count(303), answers[-1]) == (20, 429)


async def test_an_order_is_shown_to_its_owner_alone(place, ada):
    """Somebody else's number shows nothing."""
    await buy(ada)
    order, _ = await ordered(place)
    other = place.browser()
    await other.sign_in("root@example.com")
    assert "Thank you" not in (await other.get(f"/credits?order={order.id}")).text
    await other.client.aclose()


async def test_without_a_cashier_there_is_nothing_to_forge(place, browser):
    """No secret, no route: neither the form nor the webhook."""
    await browser.sign_in()
    page = await browser.get("/credits")
    assert ("Buy credits" in page.text, "form-action 'self';" in page.headers["content-security-policy"]) == (
        False,
        True,
    )
    for path in ("/credits/buy", "/webhooks/stripe"):
        assert (await browser.client.post(path, content=b"{}")).status_code == 404

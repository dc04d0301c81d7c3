"""Stripe as the cashier, by its own library: what a signed message must say, and what is nothing to us."""

import hashlib
import hmac
import json
import time
from datetime import UTC, datetime

import pytest

from fluxhouse.console.cashier import CheckoutUnavailable, CreditPack, PaymentForged
from fluxhouse.console.stripe_checkout import StripeCheckout
from fluxhouse.core.payments import OrderState, Payment, PaymentOrder

SECRET = "whsec_of_the_tests"
SESSION = {
    "mode": "payment",
    "payment_status": "paid",
    "client_reference_id": "order1",
    "metadata": {"fluxhouse_order": "order1"},
    "payment_intent": "pi_1",
    "amount_total": 500,
    "currency": "usd",
}


@pytest.fixture(scope="module")
def cashier():
    return StripeCheckout("sk_test_x", SECRET, [CreditPack(200_000_000, 500, "usd")])


def message(kind="checkout.session.completed", **changed):
    event = {"id": "evt_1", "type": kind, "data": {"object": SESSION | changed}}
    return json.dumps(event).encode()


def signed(body, secret=SECRET, ago=0):
    at = int(time.time()) - ago
    digest = hmac.new(secret.encode(), b"%d.%s" % (at, body), hashlib.sha256).hexdigest()
    return f"t={at},v1={digest}"


@pytest.mark.parametrize("kind", ["checkout.session.completed", "checkout.session.async_payment_succeeded"])
def test_a_paid_session_of_ours_is_a_payment(cashier, kind):
    """Whether it was paid at once or later."""
    body = message(kind)
    assert cashier.read(body, signed(body)) == Payment("evt_1", "pi_1", "order1", 500, "usd")


@pytest.mark.parametrize(
    ("kind", "changed"),
    [
        ("payment_intent.succeeded", {}),
        ("checkout.session.expired", {}),
        ("checkout.session.completed", {"payment_status": "unpaid"}),
        ("checkout.session.completed", {"mode": "subscription"}),
        ("checkout.session.completed", {"metadata": {}}),
        ("checkout.session.completed", {"metadata": {"fluxhouse_order": "order2"}}),
        ("checkout.session.completed", {"client_reference_id": None}),
    ],
)
def test_other_messages_are_nothing_to_us(cashier, kind, changed):
    """Such as what others sell by the same Stripe account, and what is not paid yet."""
    body = message(kind, **changed)
    assert cashier.read(body, signed(body)) is None


BODY = message()
FORGED = {
    "no signature": lambda: (BODY, ""),
    "nonsense": lambda: (BODY, "t=x,v1=y"),
    "another secret": lambda: (BODY, signed(BODY, "whsec_guessed")),
    "an empty secret": lambda: (BODY, signed(BODY, "")),
    "another body": lambda: (message(amount_total=1), signed(BODY)),
    "long ago": lambda: (BODY, signed(BODY, ago=3600)),
    "no text": lambda: (b"\xff", signed(b"\xff")),
}
ODD = {
    "no event": b"[]",
    "no JSON": b"{",
    "no payment": message(payment_intent=None),
    "no number": message(amount_total="500"),
}


@pytest.mark.parametrize("name", [*FORGED, *ODD])
def test_what_is_forged_stale_or_odd_is_refused(cashier, name):
    """Before anything of it is believed."""
    body, signature = FORGED[name]() if name in FORGED else (ODD[name], signed(ODD[name]))
    with pytest.raises(PaymentForged):
        cashier.read(body, signature)


def test_a_provider_that_does_not_answer_sells_nothing():
    """One sentence, no crash."""
    cashier = StripeCheckout("sk_test_x", SECRET, [], "http://127.0.0.1:9")
    order = PaymentOrder("order1", "account1", 1_000_000, 100, "usd", OrderState.OPEN, datetime.now(UTC))
    with pytest.raises(CheckoutUnavailable):
        cashier.begin(order, "http://house.test/credits")

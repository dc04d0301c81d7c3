"""Stripe as the cashier, by the extra `stripe`: hosted Checkout pages, and webhooks whose signature is verified."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, Final

import stripe

from fluxhouse.console.cashier import CheckoutUnavailable, CreditPack, PaymentForged
from fluxhouse.core.payments import Payment, PaymentOrder
from fluxhouse.generation.credits import MICRO

API: Final = "https://api.stripe.com"
_CHECKOUT: Final = "https://checkout.stripe.com"
_PAID: Final = frozenset({"checkout.session.completed", "checkout.session.async_payment_succeeded"})
_MARK: Final = "fluxhouse_order"
_TOLERANCE_SECONDS: Final = 300


class StripeCheckout:
    """Payments by Checkout Sessions. `api` is where Stripe is, or what stands in for it in tests."""

    def __init__(self, secret: str, webhook_secret: str, packs: Sequence[CreditPack], api: str = API) -> None:
        self._client = stripe.StripeClient(secret, base_addresses={"api": api}, max_network_retries=2)
        self._webhook_secret = webhook_secret
        self.packs = packs
        self.origin = _CHECKOUT if api == API else api

    def begin(self, order: PaymentOrder, back: str) -> str:
        """A Checkout Session; the same one if this order is begun twice."""
        amount = f"{order.amount_micro / MICRO:,g} credits"
        unit = {"currency": order.currency, "unit_amount": order.price_minor, "product_data": {"name": amount}}
        params: Any = {
            "mode": "payment",
            "line_items": [{"quantity": 1, "price_data": unit}],
            "client_reference_id": order.id,
            "metadata": {_MARK: order.id},
            "success_url": f"{back}?order={order.id}",
            "cancel_url": back,
        }
        try:
            session = self._client.v1.checkout.sessions.create(params, {"idempotency_key": order.id})
        except stripe.StripeError as error:
            raise CheckoutUnavailable from error
        # A browser would refuse to follow a form to any other host.
        if not (session.url or "").startswith(f"{self.origin}/"):
            raise CheckoutUnavailable
        return str(session.url)

    def read(self, body: bytes, signature: str) -> Payment | None:
        """What was paid by a session of ours; other events, and sessions of others, are nothing to us."""
        try:
            stripe.WebhookSignature.verify_header(body.decode(), signature, self._webhook_secret, _TOLERANCE_SECONDS)
            event = json.loads(body)
            return _payment(event) if event["type"] in _PAID else None
        except (stripe.SignatureVerificationError, ValueError, KeyError, TypeError) as error:
            raise PaymentForged from error


def _payment(event: dict[str, Any]) -> Payment | None:
    session = event["data"]["object"]
    order_id = session["client_reference_id"]
    is_ours = order_id is not None and (session.get("metadata") or {}).get(_MARK) == order_id
    if not is_ours or session["mode"] != "payment" or session["payment_status"] != "paid":
        return None
    texts = (event["id"], session["payment_intent"], order_id)
    price_minor, currency = session["amount_total"], session["currency"]
    if not all(isinstance(text, str) and text for text in (*texts, currency)) or not isinstance(price_minor, int):
        raise ValueError("a paid session names its payment, amount and currency")
    return Payment(*texts, price_minor, currency)

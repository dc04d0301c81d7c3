"""The cashier by its settings: the packs that are sold, and who takes the money."""

from __future__ import annotations

from decimal import Decimal
from importlib import import_module

from fluxhouse.console.cashier import Cashier, CreditPack, digits_of
from fluxhouse.core.topup import MOST_MICRO
from fluxhouse.generation.credits import to_micro
from fluxhouse.settings import Settings, SettingsRefused

_MOST_MINOR = 99_999_999  # what Stripe takes at once


def open_cashier(settings: Settings) -> Cashier | None:
    """Stripe, where both of its secrets are set; raises `SettingsRefused`."""
    if settings.stripe_secret is None or settings.stripe_webhook_secret is None:
        return None
    try:
        # By name, since the base install lacks stripe and must import this module all the same.
        stripe_checkout = import_module("fluxhouse.console.stripe_checkout")
    except ModuleNotFoundError as missing:
        message = f"FLUXHOUSE_STRIPE_SECRET needs the extra: pip install 'fluxhouse[stripe]' ({missing})"
        raise SettingsRefused(message) from None
    cashier: Cashier = stripe_checkout.StripeCheckout(
        settings.stripe_secret.get_secret_value(),
        settings.stripe_webhook_secret.get_secret_value(),
        [_pack(credits, price, settings.currency) for credits, price in settings.credit_packs.items()],
        settings.stripe_api,
    )
    return cashier


def _pack(credits: str, price: str, currency: str) -> CreditPack:
    minor = Decimal(price).scaleb(digits_of(currency))
    amount_micro = to_micro(credits)
    if not 0 < amount_micro <= MOST_MICRO or not 0 < minor <= _MOST_MINOR or minor != int(minor):
        raise SettingsRefused(f"FLUXHOUSE_CREDIT_PACKS: {credits} credits for {price} {currency} cannot be sold")
    return CreditPack(amount_micro, int(minor), currency)

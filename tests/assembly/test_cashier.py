"""The cashier by its settings: nobody without both secrets, and packs as they are priced."""

import sys

import pytest

from fluxhouse.assembly.cashier import open_cashier
from fluxhouse.settings import Settings, SettingsRefused, read_settings

SECRETS = {"stripe_secret": "sk_test_x", "stripe_webhook_secret": "whsec_x"}


def test_without_secrets_nothing_is_sold():
    """Both are needed: an empty webhook secret would let anybody sign."""
    assert open_cashier(Settings()) is None
    for name, value in SECRETS.items():
        with pytest.raises(SettingsRefused, match="set together or not at all"):
            read_settings(**{name: value})


@pytest.mark.parametrize(
    ("currency", "packs", "minor", "shown"),
    [
        ("usd", "200=5,1000=22.50", [500, 2250], ["5.00 USD", "22.50 USD"]),
        ("jpy", "0.5=800,2000=12000", [800, 12000], ["800 JPY", "12,000 JPY"]),
    ],
)
def test_packs_are_priced_in_the_smallest_unit(currency, packs, minor, shown):
    """Cents where the currency has them."""
    cashier = open_cashier(Settings(**SECRETS, currency=currency, credit_packs=packs))
    assert [pack.price_minor for pack in cashier.packs] == minor
    assert [pack.price for pack in cashier.packs] == shown
    assert cashier.origin == "https://checkout.stripe.com"


@pytest.mark.parametrize(
    ("currency", "packs"), [("usd", "0=5"), ("usd", "200=0"), ("jpy", "200=5.50"), ("usd", "200=9999999")]
)
def test_what_cannot_be_sold_is_refused_at_the_start(currency, packs):
    """Not when somebody wants to buy it."""
    with pytest.raises(SettingsRefused, match="CREDIT_PACKS"):
        open_cashier(Settings(**SECRETS, currency=currency, credit_packs=packs))


def test_without_the_extra_it_says_what_to_install(monkeypatch):
    """In one line."""
    monkeypatch.setitem(sys.modules, "fluxhouse.console.stripe_checkout", None)
    with pytest.raises(SettingsRefused, match=r"fluxhouse\[stripe\]"):
        open_cashier(Settings(**SECRETS))

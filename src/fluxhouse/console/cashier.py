"""What can take money for credits, elsewhere: packs, a page to pay on, and word of what was paid."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Final, Protocol

from fluxhouse.core.payments import Payment, PaymentOrder
from fluxhouse.generation.errors import AccessDenied, PlatformError

# Whose smallest unit is the currency itself: https://docs.stripe.com/currencies#zero-decimal
_WHOLE: Final = frozenset(
    ("bif", "clp", "djf", "gnf", "jpy", "kmf", "krw", "mga", "pyg", "rwf", "ugx", "vnd", "vuv", "xaf", "xof", "xpf")
)


class CheckoutUnavailable(PlatformError):
    """The payment provider does not answer; nothing was paid. Try again in a moment."""

    code = "checkout_unavailable"


class PaymentForged(AccessDenied):
    """This word of a payment was not signed by the payment provider, or long ago."""

    code = "payment_forged"


@dataclass(frozen=True, slots=True)
class CreditPack:
    """`amount_micro` credits for `price_minor` (cents, say) of `currency` (ISO 4217, lower case)."""

    amount_micro: int
    price_minor: int
    currency: str

    @property
    def price(self) -> str:
        """What it costs, as it is written."""
        digits = digits_of(self.currency)
        return f"{Decimal(self.price_minor).scaleb(-digits):,.{digits}f} {self.currency.upper()}"


class Cashier(Protocol):
    """A payment provider. `origin` is where payers are sent, such as `https://checkout.example.com`."""

    origin: str
    packs: Sequence[CreditPack]

    def begin(self, order: PaymentOrder, back: str) -> str:
        """The page where the order is paid, which leads to `back` after; blocks. Raises `CheckoutUnavailable`."""

    def read(self, body: bytes, signature: str) -> Payment | None:
        """The payment that a signed message tells of, None for any other message; raises `PaymentForged`."""


def digits_of(currency: str) -> int:
    """How many decimals an amount of the currency has."""
    return 0 if currency in _WHOLE else 2

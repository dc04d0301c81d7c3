"""Credits as integers of a millionth: parse what people write, render what dialects print."""

from __future__ import annotations

from decimal import Decimal, InvalidOperation

MICRO = 1_000_000


def to_micro(credits: str | int | Decimal) -> int:
    """Integer micro-credits of a decimal number of credits; ValueError where it has more than six decimals."""
    try:
        micro = Decimal(str(credits)) * MICRO
    except InvalidOperation:
        raise ValueError(f"not a number of credits: {credits!r}") from None
    if not micro.is_finite() or micro != micro.to_integral_value():
        raise ValueError(f"credits have at most six decimals: {credits!r}")
    return int(micro)


def to_number(amount_micro: int) -> int | float:
    """Credits as the JSON number dialects print: whole where whole, such as 1 or 1.5."""
    whole, rest = divmod(amount_micro, MICRO)
    return whole if rest == 0 else amount_micro / MICRO

"""Top-up: credits that come in, bought or granted, each payment once."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Connection

from fluxhouse.core import accounts, ledger
from fluxhouse.core.ledger import Balance


def topup(
    connection: Connection, account_name: str, amount_micro: int, now: datetime, reference: str | None = None
) -> Balance:
    """Grant credits to the account of that name and return its balance; ValueError where there is none."""
    account = accounts.by_name(connection, account_name)
    if account is None:
        raise ValueError(f"there is no account {account_name!r}")
    if amount_micro <= 0:
        raise ValueError("a top-up is more than zero credits")
    accounts.lock(connection, account.id)
    ledger.grant(connection, account.id, amount_micro, now, reference)
    return ledger.balance(connection, account.id)

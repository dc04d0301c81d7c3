"""Top-up: credits that come in, bought or granted, each payment once."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Connection

from fluxhouse.core import accounts, ledger
from fluxhouse.core.ledger import Balance
from fluxhouse.generation.credits import MICRO

# Far below what 64 bits hold: a slip of the finger must not reach the integers' end, for the ledger forgets nothing.
MOST_MICRO = 1_000_000_000 * MICRO


def topup(
    connection: Connection, account_name: str, amount_micro: int, now: datetime, reference: str | None = None
) -> Balance:
    """Grant credits to the account of that name and return its balance; ValueError where there is none, or too much."""
    account = accounts.by_name(connection, account_name)
    if account is None:
        raise ValueError(f"there is no account {account_name!r}")
    if not 0 < amount_micro <= MOST_MICRO:
        raise ValueError(f"a top-up is more than zero and at most {MOST_MICRO // MICRO:,} credits")
    accounts.lock(connection, account.id)
    if ledger.balance(connection, account.id).total_micro + amount_micro > MOST_MICRO:
        raise ValueError(f"an account holds at most {MOST_MICRO // MICRO:,} credits")
    ledger.grant(connection, account.id, amount_micro, now, reference)
    return ledger.balance(connection, account.id)

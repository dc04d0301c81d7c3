"""Vouchers: codes that an operator hands out, each worth credits once."""

from __future__ import annotations

import hashlib
import secrets
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import BigInteger, Column, Connection, ForeignKey, String, Table, insert, select, update

from fluxhouse.core.accounts import Account
from fluxhouse.core.topup import MOST_MICRO, topup
from fluxhouse.database.schema import Instant, metadata
from fluxhouse.generation.credits import MICRO
from fluxhouse.generation.errors import InvalidParameter

_ALPHABET = "23456789ABCDEFGHJKLMNPQRSTUVWXYZ"  # nothing that is misread; 20 characters of 32 are 100 bits
_GROUPS, _GROUP = 4, 5

vouchers = Table(
    "vouchers",
    metadata,
    Column("digest", String(64), primary_key=True),
    Column("label", String(100), nullable=False),
    Column("amount_micro", BigInteger, nullable=False),
    Column("created_at", Instant, nullable=False),
    Column("expires_at", Instant),
    Column("redeemed_at", Instant),
    Column("account_id", String(32), ForeignKey("accounts.id")),
)


@dataclass(frozen=True, slots=True)
class Voucher:
    """A voucher as it is kept: never its code. `account_id` is who redeemed it."""

    label: str
    amount_micro: int
    created_at: datetime
    expires_at: datetime | None
    redeemed_at: datetime | None
    account_id: str | None


def issue(
    connection: Connection, amount_micro: int, now: datetime, label: str = "", expires_at: datetime | None = None
) -> str:
    """A new voucher's code, which is shown now and never again.

    Raises `InvalidParameter` where it would be worth nothing, or more than an account may hold.
    """
    if not 0 < amount_micro <= MOST_MICRO:
        most = f"{MOST_MICRO // MICRO:,}"
        raise InvalidParameter(f"a voucher is worth more than zero and at most {most} credits", field="amount")
    groups = ("".join(secrets.choice(_ALPHABET) for _ in range(_GROUP)) for _ in range(_GROUPS))
    code = "-".join(groups)
    connection.execute(
        insert(vouchers).values(
            digest=_digest(code), label=label[:100], amount_micro=amount_micro, created_at=now, expires_at=expires_at
        )
    )
    return code


def redeem(connection: Connection, account: Account, code: str, now: datetime) -> int:
    """Credit the voucher to the account and return its worth, in micro-credits.

    Raises `InvalidParameter` alike for a code that is unknown, expired or redeemed, so that guessing teaches nothing.
    """
    digest = _digest(code)
    in_force = vouchers.c.expires_at.is_(None) | (vouchers.c.expires_at > now)
    taken = connection.execute(
        update(vouchers)
        .where(vouchers.c.digest == digest, vouchers.c.redeemed_at.is_(None), in_force)
        .values(redeemed_at=now, account_id=account.id)
        .returning(vouchers.c.amount_micro)
    ).scalar()
    if taken is None:
        raise InvalidParameter("there is no such voucher, or it has expired or was redeemed", field="code")
    topup(connection, account.name, taken, now, f"voucher {digest[:16]}")
    return int(taken)


def latest(connection: Connection, count: int) -> list[Voucher]:
    """The newest vouchers."""
    query = select(vouchers).order_by(vouchers.c.created_at.desc()).limit(count)
    return [
        Voucher(row.label, row.amount_micro, row.created_at, row.expires_at, row.redeemed_at, row.account_id)
        for row in connection.execute(query)
    ]


def _digest(code: str) -> str:
    """However the code is typed: lower case, without dashes, with spaces."""
    plain = "".join(character for character in code.upper() if character.isalnum())
    return hashlib.sha256(b"voucher " + plain.encode()).hexdigest()

"""Payments: orders of credits, and the one transaction in which a payment that was made becomes a top-up."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import (
    BigInteger,
    Column,
    Connection,
    ForeignKey,
    Index,
    Integer,
    Row,
    String,
    Table,
    insert,
    select,
    update,
)
from sqlalchemy.dialects.postgresql import insert as upsert  # SQLite compiles its ON CONFLICT as well

from fluxhouse.core import accounts
from fluxhouse.core.ids import new_id
from fluxhouse.core.topup import topup
from fluxhouse.database.schema import Instant, metadata
from fluxhouse.generation.errors import Conflict

payment_orders = Table(
    "payment_orders",
    metadata,
    Column("id", String(32), primary_key=True),
    Column("account_id", String(32), ForeignKey("accounts.id"), nullable=False),
    Column("amount_micro", BigInteger, nullable=False),
    Column("price_minor", Integer, nullable=False),
    Column("currency", String(3), nullable=False),
    Column("state", String(10), nullable=False),
    Column("payment", String(255), unique=True),
    Column("created_at", Instant, nullable=False),
    Column("paid_at", Instant),
    Index("ix_payment_orders_account_id", "account_id", "created_at"),
)

payment_events = Table(
    "payment_events",
    metadata,
    Column("id", String(255), primary_key=True),
    Column("order_id", String(32), ForeignKey("payment_orders.id"), nullable=False),
    Column("at", Instant, nullable=False),
)


class OrderState(StrEnum):
    """An order is open until it is paid; one that never is stays open and harms nobody."""

    OPEN = "open"
    PAID = "paid"


class PaymentRefused(Conflict):
    """This payment does not fit any order of ours."""

    code = "payment_refused"


@dataclass(frozen=True, slots=True)
class PaymentOrder:
    """`amount_micro` credits for `price_minor` (cents, say) of `currency` (ISO 4217, lower case)."""

    id: str
    account_id: str
    amount_micro: int
    price_minor: int
    currency: str
    state: OrderState
    created_at: datetime


@dataclass(frozen=True, slots=True)
class Payment:
    """What the provider says was paid: `event` and `payment` are its own ids, both unique."""

    event: str
    payment: str
    order_id: str
    price_minor: int
    currency: str


def order(
    connection: Connection, account_id: str, amount_micro: int, price_minor: int, currency: str, now: datetime
) -> PaymentOrder:
    """A new order, to be paid elsewhere."""
    made = PaymentOrder(new_id(), account_id, amount_micro, price_minor, currency.lower(), OrderState.OPEN, now)
    connection.execute(
        insert(payment_orders).values(
            id=made.id,
            account_id=account_id,
            amount_micro=amount_micro,
            price_minor=price_minor,
            currency=made.currency,
            state=made.state.value,
            created_at=now,
        )
    )
    return made


def settle_payment(connection: Connection, payment: Payment, now: datetime) -> bool:
    """Credit what was paid; False where this event, or this payment under another event, was credited before.

    Event, payment and top-up are written in one transaction: whatever is told twice, or out of order, or by two
    processes at once, counts once. Raises `PaymentRefused`, and nothing is written, where order, price or currency
    differ, or an order paid by one payment is to be paid by another.
    """
    row = connection.execute(
        select(payment_orders).where(payment_orders.c.id == payment.order_id).with_for_update()
    ).one_or_none()
    if row is None or (row.price_minor, row.currency) != (payment.price_minor, payment.currency.lower()):
        raise PaymentRefused
    if row.payment not in (None, payment.payment):
        raise PaymentRefused
    seen = upsert(payment_events).values(id=payment.event, order_id=row.id, at=now).on_conflict_do_nothing()
    if connection.execute(seen).rowcount == 0 or row.payment is not None:
        return False
    connection.execute(
        update(payment_orders)
        .where(payment_orders.c.id == row.id)
        .values(state=OrderState.PAID.value, payment=payment.payment, paid_at=now)
    )
    account = accounts.get(connection, row.account_id)
    topup(connection, account.name, row.amount_micro, now, f"payment {payment.payment}")
    return True


def orders_of(connection: Connection, account_id: str, count: int) -> list[PaymentOrder]:
    """An account's newest orders."""
    query = select(payment_orders).where(payment_orders.c.account_id == account_id)
    newest = query.order_by(payment_orders.c.created_at.desc()).limit(count)
    return [_from_row(row) for row in connection.execute(newest)]


def _from_row(row: Row[Any]) -> PaymentOrder:
    return PaymentOrder(
        row.id, row.account_id, row.amount_micro, row.price_minor, row.currency, OrderState(row.state), row.created_at
    )

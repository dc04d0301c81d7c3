"""Vouchers, orders of credits and the payment events that were seen."""

import sqlalchemy as sa
from alembic import op

from fluxhouse.database.schema import Instant

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    op.create_table(
        "vouchers",
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("label", sa.String(length=100), nullable=False),
        sa.Column("amount_micro", sa.BigInteger(), nullable=False),
        sa.Column("created_at", Instant(), nullable=False),
        sa.Column("expires_at", Instant(), nullable=True),
        sa.Column("redeemed_at", Instant(), nullable=True),
        sa.Column("account_id", sa.String(length=32), nullable=True),
        sa.ForeignKeyConstraint(["account_id"], ["accounts.id"], name="fk_vouchers_account_id"),
        sa.PrimaryKeyConstraint("digest", name="pk_vouchers"),
    )
    op.create_table(
        "payment_orders",
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("account_id", sa.String(length=32), nullable=False),
        sa.Column("amount_micro", sa.BigInteger(), nullable=False),
        sa.Column("price_minor", sa.Integer(), nullable=False),
        sa.Column("currency", sa.String(length=3), nullable=False),
        sa.Column("state", sa.String(length=10), nullable=False),
        sa.Column("payment", sa.String(length=255), nullable=True),
        sa.Column("created_at", Instant(), nullable=False),
        sa.Column("paid_at", Instant(), nullable=True),
        sa.ForeignKeyConstraint(["account_id"], ["accounts.id"], name="fk_payment_orders_account_id"),
        sa.PrimaryKeyConstraint("id", name="pk_payment_orders"),
        sa.UniqueConstraint("payment", name="uq_payment_orders_payment"),
    )
    op.create_index("ix_payment_orders_account_id", "payment_orders", ["account_id", "created_at"])
    op.create_table(
        "payment_events",
        sa.Column("id", sa.String(length=255), nullable=False),
        sa.Column("order_id", sa.String(length=32), nullable=False),
        sa.Column("at", Instant(), nullable=False),
        sa.ForeignKeyConstraint(["order_id"], ["payment_orders.id"], name="fk_payment_events_order_id"),
        sa.PrimaryKeyConstraint("id", name="pk_payment_events"),
    )


def downgrade() -> None:
    for table in ("payment_events", "payment_orders", "vouchers"):
        op.drop_table(table)

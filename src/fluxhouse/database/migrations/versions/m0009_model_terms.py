"""What an installation asks for each model, and whether it is offered."""

import sqlalchemy as sa
from alembic import op

from fluxhouse.database.schema import Instant

revision = "0009"
down_revision = "0008"


def upgrade() -> None:
    op.create_table(
        "model_terms",
        sa.Column("model", sa.String(length=100), nullable=False),
        sa.Column("price_micro", sa.BigInteger(), nullable=True),
        sa.Column("is_off", sa.Integer(), nullable=False),
        sa.Column("changed_at", Instant(), nullable=False),
        sa.CheckConstraint("price_micro >= 0", name="ck_model_terms_price_not_negative"),
        sa.PrimaryKeyConstraint("model", name="pk_model_terms"),
    )


def downgrade() -> None:
    op.drop_table("model_terms")

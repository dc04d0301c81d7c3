"""What providers were sent for."""

import sqlalchemy as sa
from alembic import op

from fluxhouse.database.schema import Instant

revision = "0008"
down_revision = "0007"

_IS_OPEN = sa.text("state IN ('sending', 'accepted')")


def upgrade() -> None:
    op.create_table(
        "errands",
        sa.Column("job_id", sa.String(length=32), nullable=False),
        sa.Column("provider", sa.String(length=60), nullable=False),
        sa.Column("image", sa.Integer(), nullable=False),
        sa.Column("state", sa.String(length=10), nullable=False),
        sa.Column("receipt", sa.JSON(), nullable=False),
        sa.Column("cost_micro_usd", sa.BigInteger(), nullable=False),
        sa.Column("created_at", Instant(), nullable=False),
        sa.Column("changed_at", Instant(), nullable=False),
        sa.ForeignKeyConstraint(["job_id"], ["jobs.id"], name="fk_errands_job_id"),
        sa.PrimaryKeyConstraint("job_id", "provider", "image", name="pk_errands"),
    )
    op.create_index("ix_errands_open", "errands", ["job_id"], sqlite_where=_IS_OPEN, postgresql_where=_IS_OPEN)


def downgrade() -> None:
    op.drop_table("errands")

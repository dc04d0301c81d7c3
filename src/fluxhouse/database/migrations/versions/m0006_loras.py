"""LoRAs: files by content, the places they were fetched from, and what accounts have registered."""

import sqlalchemy as sa
from alembic import op

from fluxhouse.database.schema import Instant

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    op.create_table(
        "lora_files",
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.Column("size_bytes", sa.BigInteger(), nullable=False),
        sa.Column("format", sa.String(length=10), nullable=False),
        sa.Column("ignored", sa.Integer(), nullable=False),
        sa.Column("used_at", Instant(), nullable=False),
        sa.Column("removed_at", Instant(), nullable=True),
        sa.PrimaryKeyConstraint("sha256", name=("pk_lora_files")),
    )
    op.create_index("ix_lora_files_used_at", "lora_files", ["used_at"], unique=False)
    op.create_table(
        "lora_places",
        sa.Column("place", sa.String(length=64), nullable=False),
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.Column("fetched_at", Instant(), nullable=False),
        sa.ForeignKeyConstraint(["sha256"], ["lora_files.sha256"], name=("fk_lora_places_sha256")),
        sa.PrimaryKeyConstraint("place", name=("pk_lora_places")),
    )
    op.create_index("ix_lora_places_sha256", "lora_places", ["sha256"], unique=False)
    op.create_table(
        "loras",
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("account_id", sa.String(length=32), nullable=False),
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.Column("name", sa.String(length=100), nullable=False),
        sa.Column("source", sa.String(length=300), nullable=True),
        sa.Column("created_at", Instant(), nullable=False),
        sa.ForeignKeyConstraint(["account_id"], ["accounts.id"], name=("fk_loras_account_id")),
        sa.ForeignKeyConstraint(["sha256"], ["lora_files.sha256"], name=("fk_loras_sha256")),
        sa.PrimaryKeyConstraint("id", name=("pk_loras")),
    )
    op.create_index("ix_loras_account_id", "loras", ["account_id", "created_at"], unique=False)
    op.create_index("ix_loras_sha256", "loras", ["sha256"], unique=False)


def downgrade() -> None:
    for table in ("loras", "lora_places", "lora_files"):
        op.drop_table(table)

"""The words that a LoRA answers to, as its file says."""

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"


def upgrade() -> None:
    op.add_column("lora_files", sa.Column("trigger_words", sa.String(300), nullable=True))


def downgrade() -> None:
    op.drop_column("lora_files", "trigger_words")

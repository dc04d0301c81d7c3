"""Whether a safety checker looks at the pictures of a model."""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"


def upgrade() -> None:
    op.add_column("model_terms", sa.Column("is_unmoderated", sa.Integer(), nullable=True))


def downgrade() -> None:
    op.drop_column("model_terms", "is_unmoderated")

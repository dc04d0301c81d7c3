"""What a dialect agreed with its caller beside the pictures: terms and deadlines of jobs, names of files."""

import sqlalchemy as sa
from alembic import op

from fluxhouse.database.schema import Instant

revision = "0005"
down_revision = "0004"

_HAS_DEADLINE = sa.text("deadline_at IS NOT NULL AND state IN ('queued', 'running')")


def upgrade() -> None:
    op.add_column("jobs", sa.Column("deadline_at", Instant(), nullable=True))
    op.add_column("jobs", sa.Column("terms", sa.JSON(none_as_null=True), nullable=True))
    op.create_index(
        "ix_jobs_deadline", "jobs", ["deadline_at"], sqlite_where=_HAS_DEADLINE, postgresql_where=_HAS_DEADLINE
    )
    op.add_column("files", sa.Column("name", sa.String(length=200), nullable=True))
    op.add_column("files", sa.Column("sha256", sa.String(length=64), nullable=True))
    op.add_column("files", sa.Column("metadata", sa.JSON(none_as_null=True), nullable=True))
    op.create_index("ix_files_owner", "files", ["account_id", "created_at", "id"])


def downgrade() -> None:
    op.drop_index("ix_files_owner", "files")
    for column in ("metadata", "sha256", "name"):
        op.drop_column("files", column)
    op.drop_index("ix_jobs_deadline", "jobs")
    for column in ("terms", "deadline_at"):
        op.drop_column("jobs", column)

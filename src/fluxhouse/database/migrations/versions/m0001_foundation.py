"""The first tables: accounts, keys, ledger, jobs, events, queue, idempotency, limits, usage, files."""

import sqlalchemy as sa
from alembic import op

from fluxhouse.database.schema import Instant, RowNumber

revision = "0001"
down_revision = None


def upgrade() -> None:
    op.create_table(
        "accounts",
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("name", sa.String(length=100), nullable=False),
        sa.Column("suspended", sa.Integer(), nullable=False),
        sa.Column("weight", sa.Integer(), nullable=False),
        sa.Column("created_at", Instant(), nullable=False),
        sa.CheckConstraint("weight > 0", name=("ck_accounts_weight_positive")),
        sa.PrimaryKeyConstraint("id", name=("pk_accounts")),
        sa.UniqueConstraint("name", name=("uq_accounts_name")),
    )
    op.create_table(
        "balances",
        sa.Column("ledger_account", sa.String(length=60), nullable=False),
        sa.Column("amount_micro", sa.BigInteger(), nullable=False),
        sa.CheckConstraint("amount_micro >= 0 OR ledger_account LIKE 'house:%'", name=("ck_balances_never_negative")),
        sa.PrimaryKeyConstraint("ledger_account", name=("pk_balances")),
    )
    op.create_table(
        "fair_shares",
        sa.Column("account_id", sa.String(length=32), nullable=False),
        sa.Column("finish_tag", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("account_id", name=("pk_fair_shares")),
    )
    op.create_table(
        "ledger_entries",
        sa.Column("id", RowNumber, autoincrement=True, nullable=False),
        sa.Column("transfer_id", sa.String(length=32), nullable=False),
        sa.Column("kind", sa.String(length=10), nullable=False),
        sa.Column("ledger_account", sa.String(length=60), nullable=False),
        sa.Column("amount_micro", sa.BigInteger(), nullable=False),
        sa.Column("job_id", sa.String(length=32), nullable=True),
        sa.Column("reference", sa.String(length=200), nullable=True),
        sa.Column("created_at", Instant(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=("pk_ledger_entries")),
        sa.UniqueConstraint("job_id", "kind", "ledger_account", name="uq_ledger_entries_job"),
        sa.UniqueConstraint("reference", "kind", "ledger_account", name="uq_ledger_entries_reference"),
    )
    op.create_index("ix_ledger_entries_ledger_account", "ledger_entries", ["ledger_account", "id"], unique=False)
    op.create_table(
        "files",
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("account_id", sa.String(length=32), nullable=False),
        sa.Column("key", sa.String(length=200), nullable=False),
        sa.Column("content_type", sa.String(length=100), nullable=False),
        sa.Column("width", sa.Integer(), nullable=False),
        sa.Column("height", sa.Integer(), nullable=False),
        sa.Column("size_bytes", sa.Integer(), nullable=False),
        sa.Column("created_at", Instant(), nullable=False),
        sa.Column("expires_at", Instant(), nullable=False),
        sa.ForeignKeyConstraint(["account_id"], ["accounts.id"], name=("fk_files_account_id")),
        sa.PrimaryKeyConstraint("id", name=("pk_files")),
    )
    op.create_index("ix_files_expires_at", "files", ["expires_at"], unique=False)
    op.create_table(
        "keys",
        sa.Column("id", sa.String(length=8), nullable=False),
        sa.Column("account_id", sa.String(length=32), nullable=False),
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("label", sa.String(length=100), nullable=False),
        sa.Column("scopes", sa.JSON(), nullable=False),
        sa.Column("models", sa.JSON(), nullable=True),
        sa.Column("expires_at", Instant(), nullable=True),
        sa.Column("spend_cap_micro", sa.BigInteger(), nullable=True),
        sa.Column("spent_micro", sa.BigInteger(), nullable=False),
        sa.Column("rate_per_minute", sa.Integer(), nullable=False),
        sa.Column("created_at", Instant(), nullable=False),
        sa.Column("last_used_at", Instant(), nullable=True),
        sa.Column("revoked_at", Instant(), nullable=True),
        sa.ForeignKeyConstraint(["account_id"], ["accounts.id"], name=("fk_keys_account_id")),
        sa.PrimaryKeyConstraint("id", name=("pk_keys")),
    )
    op.create_index("ix_keys_account_id", "keys", ["account_id"], unique=False)
    op.create_table(
        "usage_days",
        sa.Column("account_id", sa.String(length=32), nullable=False),
        sa.Column("day", sa.String(length=10), nullable=False),
        sa.Column("key_id", sa.String(length=8), nullable=False),
        sa.Column("model", sa.String(length=60), nullable=False),
        sa.Column("submitted", sa.Integer(), nullable=False),
        sa.Column("refused", sa.Integer(), nullable=False),
        sa.Column("succeeded", sa.Integer(), nullable=False),
        sa.Column("failed", sa.Integer(), nullable=False),
        sa.Column("cancelled", sa.Integer(), nullable=False),
        sa.Column("images", sa.Integer(), nullable=False),
        sa.Column("captured_micro", sa.BigInteger(), nullable=False),
        sa.Column("inference_seconds", sa.Float(), nullable=False),
        sa.ForeignKeyConstraint(["account_id"], ["accounts.id"], name=("fk_usage_days_account_id")),
        sa.PrimaryKeyConstraint("account_id", "day", "key_id", "model", name=("pk_usage_days")),
    )
    op.create_table(
        "jobs",
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("account_id", sa.String(length=32), nullable=False),
        sa.Column("key_id", sa.String(length=8), nullable=False),
        sa.Column("dialect", sa.String(length=20), nullable=False),
        sa.Column("model", sa.String(length=60), nullable=False),
        sa.Column("served_by", sa.String(length=60), nullable=False),
        sa.Column("state", sa.String(length=10), nullable=False),
        sa.Column("request", sa.JSON(), nullable=False),
        sa.Column("price_micro", sa.BigInteger(), nullable=False),
        sa.Column("captured_micro", sa.BigInteger(), nullable=True),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("deaths", sa.Integer(), nullable=False),
        sa.Column("engine_deaths", sa.Integer(), nullable=False),
        sa.Column("created_at", Instant(), nullable=False),
        sa.Column("started_at", Instant(), nullable=True),
        sa.Column("heartbeat_at", Instant(), nullable=True),
        sa.Column("finished_at", Instant(), nullable=True),
        sa.Column("expires_at", Instant(), nullable=False),
        sa.Column("cancel_requested_at", Instant(), nullable=True),
        sa.Column("error", sa.JSON(), nullable=True),
        sa.Column("images", sa.JSON(), nullable=False),
        sa.Column("inference_seconds", sa.Float(), nullable=True),
        sa.Column("output_removed_at", Instant(), nullable=True),
        sa.ForeignKeyConstraint(["account_id"], ["accounts.id"], name=("fk_jobs_account_id")),
        sa.ForeignKeyConstraint(["key_id"], ["keys.id"], name=("fk_jobs_key_id")),
        sa.PrimaryKeyConstraint("id", name=("pk_jobs")),
    )
    op.create_index(
        "ix_jobs_open",
        "jobs",
        ["state", "heartbeat_at"],
        unique=False,
        sqlite_where=sa.text("state IN ('queued', 'running')"),
        postgresql_where=sa.text("state IN ('queued', 'running')"),
    )
    op.create_index("ix_jobs_owner", "jobs", ["account_id", "created_at", "id"], unique=False)
    op.create_index(
        "ix_jobs_to_sweep",
        "jobs",
        ["expires_at"],
        unique=False,
        sqlite_where=sa.text("output_removed_at IS NULL"),
        postgresql_where=sa.text("output_removed_at IS NULL"),
    )
    op.create_table(
        "rate_windows",
        sa.Column("key_id", sa.String(length=8), nullable=False),
        sa.Column("started_at", Instant(), nullable=False),
        sa.Column("submits", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["key_id"], ["keys.id"], name=("fk_rate_windows_key_id")),
        sa.PrimaryKeyConstraint("key_id", name=("pk_rate_windows")),
    )
    op.create_table(
        "idempotency_keys",
        sa.Column("account_id", sa.String(length=32), nullable=False),
        sa.Column("key", sa.String(length=255), nullable=False),
        sa.Column("route", sa.String(length=200), nullable=False),
        sa.Column("body_hash", sa.String(length=64), nullable=False),
        sa.Column("job_id", sa.String(length=32), nullable=False),
        sa.Column("available_micro", sa.BigInteger(), nullable=False),
        sa.Column("created_at", Instant(), nullable=False),
        sa.ForeignKeyConstraint(["account_id"], ["accounts.id"], name=("fk_idempotency_keys_account_id")),
        sa.ForeignKeyConstraint(["job_id"], ["jobs.id"], name=("fk_idempotency_keys_job_id")),
        sa.PrimaryKeyConstraint("account_id", "key", name=("pk_idempotency_keys")),
    )
    op.create_index("ix_idempotency_keys_created_at", "idempotency_keys", ["created_at"], unique=False)
    op.create_table(
        "job_events",
        sa.Column("job_id", sa.String(length=32), nullable=False),
        sa.Column("number", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("state", sa.String(length=10), nullable=False),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("at", Instant(), nullable=False),
        sa.ForeignKeyConstraint(["job_id"], ["jobs.id"], name=("fk_job_events_job_id")),
        sa.PrimaryKeyConstraint("job_id", "number", name=("pk_job_events")),
    )
    op.create_index(
        "uq_job_events_terminal",
        "job_events",
        ["job_id"],
        unique=True,
        sqlite_where=sa.text("state IN ('succeeded', 'failed', 'cancelled')"),
        postgresql_where=sa.text("state IN ('succeeded', 'failed', 'cancelled')"),
    )
    op.create_table(
        "queue_entries",
        sa.Column("number", RowNumber, autoincrement=True, nullable=False),
        sa.Column("job_id", sa.String(length=32), nullable=False),
        sa.Column("model", sa.String(length=60), nullable=False),
        sa.Column("tag", sa.BigInteger(), nullable=False),
        sa.Column("enqueued_at", Instant(), nullable=False),
        sa.Column("claimed_at", Instant(), nullable=True),
        sa.ForeignKeyConstraint(["job_id"], ["jobs.id"], name=("fk_queue_entries_job_id")),
        sa.PrimaryKeyConstraint("number", name=("pk_queue_entries")),
        sa.UniqueConstraint("job_id", name=("uq_queue_entries_job_id")),
    )
    op.create_index(
        "ix_queue_entries_waiting",
        "queue_entries",
        ["tag", "number"],
        unique=False,
        sqlite_where=sa.text("claimed_at IS NULL"),
        postgresql_where=sa.text("claimed_at IS NULL"),
    )
    # History is never rewritten: a mistake is mended by a further entry.
    if op.get_bind().dialect.name == "postgresql":
        op.execute(
            "CREATE FUNCTION ledger_entries_refuse() RETURNS trigger LANGUAGE plpgsql AS "
            "$$ BEGIN RAISE EXCEPTION 'the ledger is append-only' USING ERRCODE = 'integrity_constraint_violation'; "
            "END $$"
        )
        op.execute(
            "CREATE TRIGGER ledger_entries_refuse BEFORE UPDATE OR DELETE OR TRUNCATE ON ledger_entries "
            "FOR EACH STATEMENT EXECUTE FUNCTION ledger_entries_refuse()"
        )
    else:
        for verb in ("UPDATE", "DELETE"):
            op.execute(
                f"CREATE TRIGGER ledger_entries_refuse_{verb.lower()} BEFORE {verb} ON ledger_entries "
                "BEGIN SELECT RAISE(ABORT, 'the ledger is append-only'); END"
            )


def downgrade() -> None:
    for table in (
        "queue_entries",
        "job_events",
        "idempotency_keys",
        "rate_windows",
        "jobs",
        "usage_days",
        "keys",
        "files",
        "ledger_entries",
        "fair_shares",
        "balances",
        "accounts",
    ):
        op.drop_table(table)

"""On PostgreSQL: the tables of the queue engine, and word to every process of what happens to a job."""

from importlib import import_module

from alembic import op

revision = "0003"
down_revision = "0002"

# Heard by every process as soon as the transaction commits, and never where it does not.
_TELL = """
CREATE FUNCTION fluxhouse_tell() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_notify('fluxhouse_jobs', to_jsonb(NEW) ->> TG_ARGV[0]);
    RETURN NULL;
END $$
"""


def upgrade() -> None:
    if op.get_bind().dialect.name != "postgresql":
        return
    # By name: a base install has no procrastinate, and still reads this file.
    schema = import_module("procrastinate.schema").SchemaManager.get_schema()
    op.get_bind().connection.cursor().execute(schema)
    op.execute(_TELL)
    op.execute(
        "CREATE TRIGGER job_events_tell AFTER INSERT ON job_events "
        "FOR EACH ROW EXECUTE FUNCTION fluxhouse_tell('job_id')"
    )
    op.execute(
        "CREATE TRIGGER jobs_tell_cancel AFTER UPDATE OF cancel_requested_at ON jobs "
        "FOR EACH ROW EXECUTE FUNCTION fluxhouse_tell('id')"
    )


def downgrade() -> None:
    if op.get_bind().dialect.name != "postgresql":
        return
    op.execute("DROP TRIGGER jobs_tell_cancel ON jobs")
    op.execute("DROP TRIGGER job_events_tell ON job_events")
    op.execute("DROP FUNCTION fluxhouse_tell()")
    op.execute("DROP TABLE procrastinate_events, procrastinate_periodic_defers, procrastinate_jobs CASCADE")
    op.execute("DROP TABLE procrastinate_workers CASCADE")

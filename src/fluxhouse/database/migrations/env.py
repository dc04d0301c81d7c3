"""What Alembic runs; the connection and the context are set up by fluxhouse.database.migrate."""

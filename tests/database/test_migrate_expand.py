"""Migrations only add, so that the version before works on the tables of this one while an installation is upgraded."""

import sqlalchemy as sa
from alembic.runtime.environment import EnvironmentContext
from alembic.script import ScriptDirectory
from sqlalchemy import text

from fluxhouse.cli.bench.postgres import drop_database, new_database
from fluxhouse.database.database import Database
from fluxhouse.database.migrate import _SCRIPTS, _options, current_revision, head_revision, is_newer


def upgrade_to(connection, revision):
    scripts = ScriptDirectory(str(_SCRIPTS))
    steps = lambda current, _: scripts._upgrade_revs(revision, current)  # noqa: E731
    with EnvironmentContext(_options(), scripts, fn=steps) as run:
        run.configure(connection=connection, transaction_per_migration=False)
        run.run_migrations()


def seen(connection):
    """Table -> column -> what a program that knows it relies on; and every constraint that refuses rows."""
    inspector = sa.inspect(connection)
    tables, refusing = {}, set()
    for table in inspector.get_table_names():
        tables[table] = {column["name"]: column for column in inspector.get_columns(table)}
        for kind in (inspector.get_unique_constraints, inspector.get_check_constraints, inspector.get_foreign_keys):
            refusing |= {(table, kind.__name__, constraint["name"]) for constraint in kind(table)}
        refusing |= {(table, "index", index["name"]) for index in inspector.get_indexes(table) if index["unique"]}
    return tables, refusing


def taken_away(before, after):
    """What a program that knows `before` can no longer do on `after`."""
    (old, old_refusing), (new, new_refusing) = before, after
    for table, columns in old.items():
        for name, column in columns.items():
            now = new.get(table, {}).get(name)
            if now is None:
                yield f"{table}.{name} is gone"
            elif str(now["type"]) != str(column["type"]) or (column["nullable"] and not now["nullable"]):
                yield f"{table}.{name} is not what it was"
        for name, column in new.get(table, {}).items():
            if name not in columns and not column["nullable"] and column["default"] is None:
                yield f"{table}.{name} is new and must be given"
    for table, kind, name in new_refusing - old_refusing:
        if table in old:
            yield f"{table} refuses more: {kind} {name}"


def violations(url):
    revisions = [script.revision for script in ScriptDirectory(str(_SCRIPTS)).walk_revisions()][::-1]
    database = Database(url)
    try:
        with database.transaction() as connection:
            before = ({}, set())
            for revision in revisions:
                upgrade_to(connection, revision)
                after = seen(connection)
                yield from (f"{revision}: {complaint}" for complaint in taken_away(before, after))
                before = after
    finally:
        database.close()


def test_migrations_take_nothing_away(url):
    """No migration drops, renames, narrows or demands what the version before it does not know."""
    assert list(violations(url)) == []


def test_migrations_take_nothing_away_on_postgresql(postgres):
    """The same holds on PostgreSQL."""
    url = new_database(postgres)
    assert list(violations(url)) == []
    drop_database(url)


def test_what_takes_away_is_found(url):
    """A dropped column, a required new one, a changed type and a new unique index are each named."""
    database = Database(url)
    with database.transaction() as connection:
        connection.execute(text("CREATE TABLE one (a INTEGER, b TEXT, c TEXT)"))
        before = seen(connection)
        connection.execute(text("DROP TABLE one"))
        connection.execute(text("CREATE TABLE one (b INTEGER, c TEXT, d TEXT NOT NULL, e TEXT)"))
        connection.execute(text("CREATE UNIQUE INDEX ix_one ON one (b)"))
        assert sorted(taken_away(before, seen(connection))) == [
            "one refuses more: index ix_one",
            "one.a is gone",
            "one.b is not what it was",
            "one.d is new and must be given",
        ]
    database.close()


def test_a_newer_database_is_left_as_it_is(url):
    """The version before starts on the tables of the next one and does not touch them."""
    database = Database(url)
    database.migrate()
    with database.transaction() as connection:
        assert (is_newer(connection), current_revision(connection)) == (False, head_revision())
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    database.migrate()
    with database.snapshot() as connection:
        assert (is_newer(connection), current_revision(connection)) == (True, "9999")
    database.close()

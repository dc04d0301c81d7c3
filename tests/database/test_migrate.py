"""Migrations: they give what the nouns declare, once, whoever runs them at the same time."""

import importlib
import pkgutil

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import text

from fluxhouse import core
from fluxhouse.database.database import Database
from fluxhouse.database.migrate import current_revision, head_revision
from fluxhouse.database.schema import metadata

MIGRATE = """
import sys
from fluxhouse.database.database import Database
sys.stdin.readline()
database = Database(sys.argv[1])
database.migrate()
database.close()
"""


@pytest.fixture
def fresh(url):
    database = Database(url)
    yield database
    database.close()


def schema(database):
    with database.snapshot() as connection:
        return connection.execute(text("SELECT type, name, sql FROM sqlite_master ORDER BY name")).all()


def test_the_migrations_make_what_the_nouns_declare(fresh):
    """Tables, columns, types, indexes and constraints agree with the metadata; nothing is left over."""
    for module in pkgutil.iter_modules(core.__path__, "fluxhouse.core."):
        importlib.import_module(module.name)
    fresh.migrate()
    with fresh.snapshot() as connection:
        assert compare_metadata(MigrationContext.configure(connection), metadata) == []
        assert current_revision(connection) == head_revision()


def test_declared_checks_and_partial_indexes_are_in_the_tables(fresh):
    """What the comparison does not look at: check constraints, partial conditions and the ledger's triggers."""
    fresh.migrate()
    made = {name: sql or "" for _, name, sql in schema(fresh)}
    for table in metadata.sorted_tables:
        for constraint in table.constraints:
            assert constraint.name is None or str(constraint.name) in made[table.name]
        for index in table.indexes:
            condition = index.dialect_options["sqlite"]["where"]
            assert condition is None or str(condition) in made[index.name]
    assert {"ledger_entries_refuse_update", "ledger_entries_refuse_delete"} <= set(made)


def test_migrating_twice_changes_nothing(fresh):
    """A database that is up to date stays as it is."""
    fresh.migrate()
    before = schema(fresh)
    fresh.migrate()
    assert schema(fresh) == before


def test_two_processes_may_migrate_at_once(fresh, process):
    """One waits for the other's lock and then finds nothing to do."""
    both = [process(MIGRATE) for _ in range(2)]
    for each in both:
        each.stdin.write("\n")
        each.stdin.flush()
    assert [each.wait(60) for each in both] == [0, 0]
    with fresh.snapshot() as connection:
        assert current_revision(connection) == head_revision()


def test_a_failed_migration_leaves_nothing(fresh):
    """All migrations happen or none: a table in the way of a later one undoes the earlier ones."""
    with fresh.transaction() as connection:
        connection.execute(text("CREATE TABLE queue_entries (mine INTEGER)"))
    with pytest.raises(Exception, match="already exists"):
        fresh.migrate()
    assert [name for _, name, _ in schema(fresh)] == ["queue_entries"]

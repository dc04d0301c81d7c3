"""Bringing a database up to this version with the migrations shipped in the package."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from alembic.config import Config
from alembic.runtime.environment import EnvironmentContext
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection

_SCRIPTS = Path(__file__).parent / "migrations"


def upgrade(connection: Connection) -> None:
    """Run every missing migration inside the caller's transaction: all of them happen, or none.

    A database that a newer version has migrated stays as it is: migrations add before a later release takes away, so
    that this version and the next work side by side while an installation is upgraded, and back.
    """
    if current_revision(connection) == head_revision() or is_newer(connection):
        return
    scripts = _scripts()
    with EnvironmentContext(_options(), scripts, fn=lambda revision, _: scripts._upgrade_revs("head", revision)) as run:
        run.configure(connection=connection, transaction_per_migration=False)
        run.run_migrations()


def current_revision(connection: Connection) -> str | None:
    """The newest migration that this database has seen."""
    return MigrationContext.configure(connection).get_current_revision()


def is_newer(connection: Connection) -> bool:
    """Whether this database has seen a migration that this version does not ship; they are numbered."""
    current, head = current_revision(connection), head_revision()
    return current is not None and head is not None and current > head


def head_revision() -> str | None:
    """The newest migration that this version ships."""
    return _scripts().get_current_head()


@cache
def _scripts() -> ScriptDirectory:
    """All migrations, read once: to import them takes longer than to run none of them."""
    return ScriptDirectory(str(_SCRIPTS))


def _options() -> Config:
    options = Config()
    options.set_main_option("script_location", str(_SCRIPTS))
    return options

"""Bringing a database up to this version with the migrations shipped in the package."""

from __future__ import annotations

from pathlib import Path

from alembic.config import Config
from alembic.runtime.environment import EnvironmentContext
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection

_SCRIPTS = Path(__file__).parent / "migrations"


def upgrade(connection: Connection) -> None:
    """Run every missing migration inside the caller's transaction: all of them happen, or none."""
    scripts = ScriptDirectory(str(_SCRIPTS))
    with EnvironmentContext(_options(), scripts, fn=lambda revision, _: scripts._upgrade_revs("head", revision)) as run:
        run.configure(connection=connection, transaction_per_migration=False)
        run.run_migrations()


def current_revision(connection: Connection) -> str | None:
    """The newest migration that this database has seen."""
    return MigrationContext.configure(connection).get_current_revision()


def head_revision() -> str | None:
    """The newest migration that this version ships."""
    return ScriptDirectory(str(_SCRIPTS)).get_current_head()


def _options() -> Config:
    options = Config()
    options.set_main_option("script_location", str(_SCRIPTS))
    return options

"""What every room's tests need: an environment of their own and quiet, repeatable hypothesis runs."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator

import pytest
from hypothesis import HealthCheck, settings
from sqlalchemy import make_url

from fluxhouse.cli.bench.postgres import OwnPostgres, drop_database, new_database
from fluxhouse.database.database import Database

settings.register_profile(
    "fluxhouse",
    deadline=None,  # A shared machine is slow at random.
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("fluxhouse")


@pytest.fixture(scope="session", autouse=True)
def no_outside_settings() -> Iterator[None]:
    """Nothing the developer has set reaches the tests or the processes they start, and no hub is asked."""
    with pytest.MonkeyPatch.context() as patch:
        for name in os.environ:
            if name.startswith("FLUXHOUSE_") and not name.startswith("FLUXHOUSE_TEST_"):
                patch.delenv(name)
        patch.setenv("HF_HUB_OFFLINE", "1")
        yield


@pytest.fixture(scope="session")
def postgres() -> Iterator[str]:
    """The address of a PostgreSQL server that tests may make databases on: the developer's, or one of our own."""
    if given := os.environ.get("FLUXHOUSE_TEST_POSTGRES_URL"):
        yield given
        return
    own = OwnPostgres(durable=False)
    yield own.url
    own.close()


@pytest.fixture(scope="session")
def postgres_template(postgres: str) -> Iterator[str]:
    """The name of a migrated PostgreSQL database, to be copied."""
    url = new_database(postgres)
    database = Database(url)
    database.migrate()
    database.close()
    yield str(make_url(url).database)
    drop_database(url)


@pytest.fixture
def new_postgres(postgres: str, postgres_template: str) -> Iterator[Callable[[], str]]:
    """Makes migrated PostgreSQL databases; dropped after the test."""
    made: list[str] = []

    def make() -> str:
        made.append(new_database(postgres, postgres_template))
        return made[-1]

    yield make
    if "FLUXHOUSE_TEST_POSTGRES_URL" in os.environ:  # our own server ends with all it has
        for url in made:
            drop_database(url)

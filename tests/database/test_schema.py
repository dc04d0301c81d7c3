"""Moments survive the database to the microsecond, in any zone, and nothing else is taken for one."""

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Column, MetaData, Table, create_engine, insert, select
from sqlalchemy.exc import StatementError

from fluxhouse.database.schema import Instant

moments = Table("moments", MetaData(), Column("at", Instant))
ZONES = st.sampled_from([UTC, timezone(timedelta(hours=5, minutes=45)), timezone(-timedelta(hours=9))])
YEARS = (datetime(1900, 1, 1), datetime(2900, 1, 1))  # noqa: DTZ001


@pytest.fixture(scope="module")
def connection():
    engine = create_engine("sqlite://")
    with engine.connect() as connection:
        moments.create(connection)
        yield connection
    engine.dispose()


@given(at=st.datetimes(*YEARS, timezones=ZONES) | st.none())
def test_a_moment_comes_back_as_it_was(connection, at):
    """Equal to the microsecond and in UTC, before 1970 too; None stays None."""
    connection.execute(moments.delete())
    connection.execute(insert(moments), {"at": at})
    found = connection.execute(select(moments.c.at)).scalar_one()
    assert found == at
    assert found is None or found.tzinfo is UTC


def test_a_moment_without_zone_is_refused(connection):
    """A naive datetime is a mistake, found where it is made."""
    with pytest.raises(StatementError, match="naive"):
        connection.execute(insert(moments), {"at": datetime(2026, 1, 1)})  # noqa: DTZ001

"""The gallery's address: filters that mean what they say, and nonsense that is told."""

from datetime import UTC, datetime

import pytest
from starlette.datastructures import QueryParams

from fluxhouse.console.gallery_query import GalleryQuery
from fluxhouse.core.job_search import Search
from fluxhouse.core.jobs import OPEN_STATES
from fluxhouse.generation.errors import InvalidParameter


def query(text):
    return GalleryQuery.of(QueryParams(text))


def test_what_is_asked_is_looked_for():
    """The last day is included; an empty address asks for everything."""
    assert query("").search() == Search()
    assert not query("before=0-" + "a" * 32).is_filtered
    asked = query("q= fox &model=flux&key=k&state=open&from=2026-03-01&to=2026-03-01")
    assert asked.is_filtered
    day, after = datetime(2026, 3, 1, tzinfo=UTC), datetime(2026, 3, 2, tzinfo=UTC)
    assert asked.search() == Search("flux", "k", OPEN_STATES, day, after, "fox")


@pytest.mark.parametrize(
    ("field", "text"),
    [
        ("state", "state=happy"),
        ("from", "from=soon"),
        ("to", "to=9999-12-31"),
        ("from", "from=0001-01-01"),
        ("before", "before=1"),
        ("before", "before=99999999999999999999-" + "a" * 32),
    ],
)
def test_nonsense_is_refused_by_its_field(field, text):
    """Nothing of it reaches the database."""
    with pytest.raises(InvalidParameter) as refused:
        query(text).search()
    assert refused.value.field == field

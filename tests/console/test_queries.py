"""Numbers and days in addresses: nonsense is nothing, or is refused by name."""

from datetime import date

import pytest
from starlette.datastructures import QueryParams

from fluxhouse.console.queries import day_of, number_in
from fluxhouse.generation.errors import InvalidParameter


@pytest.mark.parametrize(
    ("text", "number"),
    [("7", 7), ("0", None), ("-1", None), ("", None), ("x", None), ("²", None), (str(2**63), None), ("9" * 5000, None)],
)
def test_a_number_is_one_that_a_database_can_have(text, number):
    """Anything else asks for nothing."""
    assert number_in(QueryParams({"before": text}), "before") == number


def test_a_day_is_one_that_can_be_counted_from():
    """Days before computers and after everybody are none."""
    assert day_of("2026-01-31", "to") == date(2026, 1, 31)
    for text in ("yesterday", "2026-02-30", "1969-12-31", "9999-01-01"):
        with pytest.raises(InvalidParameter) as refused:
            day_of(text, "to")
        assert refused.value.field == "to"

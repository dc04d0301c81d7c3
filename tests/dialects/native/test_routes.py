"""What every route of the native API refuses alike."""

import pytest


@pytest.mark.parametrize(
    ("address", "field", "says"),
    [
        ("usage?day=3", "day", "it takes: days, from, to"),
        ("jobs?from=x", "from", "it takes: limit, cursor, status, model"),
        ("jobs?limit=1&limit=2", "limit", "given twice"),
        ("credits?x=", "x", "it takes none"),
        ("models/flux?verbose=1", "verbose", "it takes none"),
    ],
)
async def test_an_unknown_query_parameter_is_refused_by_name(idle_house, address, field, says):
    """Nothing that is asked for is passed over: the refusal names it and what is allowed."""
    answer = await idle_house.client.get(f"/api/v1/{address}")
    error = answer.json()["error"]
    assert (answer.status_code, error["code"], error["field"]) == (400, "invalid_parameter", field)
    assert says in error["message"]

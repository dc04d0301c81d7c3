"""Credits and usage as the account sees them."""

from datetime import timedelta

import pytest


async def test_credits_are_split_into_held_and_available(idle_house):
    """What open jobs hold is not available, and comes off the balance only when charged."""
    await idle_house.run()
    assert await idle_house.credits() == {"balance": 100, "held": 1, "available": 99}


async def test_usage_counts_by_day_and_model(house):
    """Requests, refusals, images and charges stand under their day and model, and sum up."""
    await house.done({"prompt": "x", "width": 256, "height": 256, "num_outputs": 2})
    await house.run({"prompt": ""})
    today = house.clock.now().date()
    usage = (await house.client.get("/api/v1/usage")).json()
    (entry,) = usage["entries"]
    assert (entry["date"], entry["model"]) == (today.isoformat(), "flux")
    assert usage["totals"].items() <= entry.items()
    assert usage["totals"] == {
        "requests": 2, "refused": 1, "completed": 1, "failed": 0, "cancelled": 0, "images": 2, "creditCost": 2,
    }  # fmt: skip
    before = (today - timedelta(days=1)).isoformat()
    earlier = (await house.client.get("/api/v1/usage", params={"from": before, "to": before})).json()
    assert (earlier["since"], earlier["until"], earlier["entries"]) == (before, before, [])


async def test_usage_is_the_accounts_own(idle_house):
    """Another account's requests do not show."""
    await idle_house.run()
    other = {"Authorization": f"Bearer {await idle_house.account('other')}"}
    assert (await idle_house.client.get("/api/v1/usage", headers=other)).json()["entries"] == []


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ({"from": "yesterday"}, "from"),
        ({"to": "2025-02-30"}, "to"),
        ({"from": "2025-02-02", "to": "2025-02-01"}, "from"),
        ({"from": "2020-01-01", "to": "2025-01-01"}, "from"),
        ({"to": "0001-01-01"}, "to"),
        ({"days": "0"}, "days"),
    ],
)
async def test_a_period_that_makes_no_sense_is_refused(idle_house, query, field):
    """Bad days answer 400 with the parameter's name."""
    answer = await idle_house.client.get("/api/v1/usage", params=query)
    assert (answer.status_code, answer.json()["error"]["field"]) == (400, field)

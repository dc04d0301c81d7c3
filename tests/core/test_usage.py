"""Usage: what was asked, refused, made and charged, by day, key and model."""

from datetime import timedelta

from fluxhouse.core import usage
from fluxhouse.core.usage import Slot


def test_counts_add_up_per_day_key_and_model(house, ada):
    """Each line is one day of one key and model; days are UTC, newest first."""
    slot, other = Slot(ada.account.id, ada.key.id, "flux-dev"), Slot(ada.account.id, ada.key.id, "flux-schnell")
    now = house.now()
    for where, at, amounts in (
        (slot, now, {"submitted": 1}),
        (slot, now, {"submitted": 1, "images": 3, "inference_seconds": 0.5}),
        (other, now, {"refused": 1}),
        (slot, now + timedelta(hours=12), {"captured_micro": 7}),
    ):
        house.do(usage.count, where, at, amounts)
    days = house.see(usage.between, ada.account.id, now.date(), now.date() + timedelta(days=1))
    assert [(day.day, day.model) for day in days] == [
        ("2026-03-02", "flux-dev"),
        ("2026-03-01", "flux-dev"),
        ("2026-03-01", "flux-schnell"),
    ]
    assert (days[1].submitted, days[1].images, days[1].inference_seconds, days[1].captured_micro) == (2, 3, 0.5, 0)
    assert len(house.see(usage.between, ada.account.id, now.date(), now.date())) == 2
    assert house.see(usage.between, house.caller("ben").account.id, now.date(), now.date()) == []


def test_totals_are_over_all_accounts(house, ada):
    """The sums that the metrics print; zeros before anything happened."""
    assert set(house.see(usage.totals).values()) == {0}
    house.submit(ada)
    house.submit(house.caller("ben", credit=0))
    house.succeed(house.claim()[0])
    totals = house.see(usage.totals)
    assert (totals["submitted"], totals["refused"], totals["succeeded"], totals["captured_micro"]) == (
        1,
        1,
        1,
        1_000_000,
    )

"""Accounts: names, suspension, and nothing twice."""

import pytest

from fluxhouse.core import accounts


def test_an_account_is_found_by_name_and_id(house):
    """What was created is what is kept; names are trimmed."""
    ada = house.do(accounts.create, "  ada ", house.now())
    assert ada.name == "ada"
    assert house.see(accounts.get, ada.id) == house.see(accounts.by_name, "ada") == ada
    assert house.see(accounts.by_name, "ben") is None


@pytest.mark.parametrize("name", ["", "  ", "x" * 101, "ada"])
def test_a_name_that_is_empty_long_or_taken_is_refused(house, ada, name):
    """The error is a sentence for the one who typed it."""
    with pytest.raises(ValueError, match="account"):
        house.do(accounts.create, name, house.now())


def test_accounts_are_listed_by_name(house):
    """All of them, suspended or not."""
    for name in ("ben", "ada"):
        house.do(accounts.create, name, house.now())
    ben = house.see(accounts.by_name, "ben")
    house.do(accounts.suspend, ben.id, True)
    assert [(each.name, each.suspended) for each in house.see(accounts.everyone)] == [("ada", False), ("ben", True)]
    house.do(accounts.suspend, ben.id, False)
    assert house.see(accounts.get, ben.id) == ben


def test_a_weight_is_at_least_one(house, ada):
    """What is set is kept, and nothing below 1, which would give no share at all."""
    house.do(accounts.weigh, ada.account.id, 3)
    with pytest.raises(ValueError, match="from 1 on"):
        house.do(accounts.weigh, ada.account.id, 0)
    assert house.see(accounts.get, ada.account.id).weight == 3

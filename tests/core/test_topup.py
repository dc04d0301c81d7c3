"""Top-ups: by name, more than nothing, each payment once."""

import pytest
from sqlalchemy.exc import IntegrityError

from fluxhouse.core.topup import topup


def test_a_topup_is_in_the_balance(house, ada):
    """The answer is the new balance, and the ledger agrees."""
    assert house.do(topup, "ada", 5, house.now(), "pay_1").available_micro == 100_000_005
    assert house.drift() == []
    with pytest.raises(IntegrityError):
        house.do(topup, "ada", 5, house.now(), "pay_1")


@pytest.mark.parametrize(("name", "amount"), [("nobody", 5), ("ada", 0), ("ada", -5)])
def test_a_topup_of_nobody_or_nothing_is_refused(house, ada, name, amount):
    """And nothing moves."""
    with pytest.raises(ValueError, match=r"no account|more than zero"):
        house.do(topup, name, amount, house.now())
    assert house.balance(ada) == (100_000_000, 0)

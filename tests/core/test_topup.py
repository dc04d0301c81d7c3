"""Top-ups: by name, more than nothing, each payment once."""

import pytest
from sqlalchemy.exc import IntegrityError

from fluxhouse.core.topup import MOST_MICRO, topup


def test_a_topup_is_in_the_balance(house, ada):
    """The answer is the new balance, and the ledger agrees."""
    assert house.do(topup, "ada", 5, house.now(), "pay_1").available_micro == 100_000_005
    assert house.drift() == []
    with pytest.raises(IntegrityError):
        house.do(topup, "ada", 5, house.now(), "pay_1")


@pytest.mark.parametrize(
    ("name", "amount"), [("nobody", 5), ("ada", 0), ("ada", -5), ("ada", MOST_MICRO + 1), ("ada", MOST_MICRO)]
)
def test_a_topup_of_nobody_nothing_or_too_much_is_refused(house, ada, name, amount):
    """And nothing moves: a slip of the finger must not reach the end of the integers."""
    with pytest.raises(ValueError, match=r"no account|more than zero|at most"):
        house.do(topup, name, amount, house.now())
    assert house.balance(ada) == (100_000_000, 0)

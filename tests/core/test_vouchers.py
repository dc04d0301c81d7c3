"""Vouchers: worth credits once, however the code is typed and however often it is tried at once."""

from datetime import timedelta

import pytest

from fluxhouse.core import accounts, ledger, vouchers
from fluxhouse.core.topup import MOST_MICRO
from fluxhouse.generation.errors import InvalidParameter

WORTH = 5_000_000


@pytest.fixture
def ada(house):
    return house.do(accounts.create, "ada", house.now())


def test_a_voucher_is_credited_once(house, ada):
    """Lower case and without dashes too; the second time it is worth nothing, and the ledger agrees."""
    code = house.do(vouchers.issue, WORTH, house.now(), "launch")
    assert house.do(vouchers.redeem, ada, code.lower().replace("-", " "), house.now()) == WORTH
    with pytest.raises(InvalidParameter) as refused:
        house.do(vouchers.redeem, ada, code, house.now())
    assert refused.value.field == "code"
    assert house.see(ledger.balance, ada.id).available_micro == WORTH
    (kept,) = house.see(vouchers.latest, 5)
    assert (kept.label, kept.account_id, kept.redeemed_at) == ("launch", ada.id, house.now())
    assert house.drift() == []


def test_the_code_is_not_kept(house):
    """Whoever reads the database redeems nothing."""
    code = house.do(vouchers.issue, WORTH, house.now())
    with house.database.snapshot() as connection:
        assert code not in str(connection.execute(vouchers.vouchers.select()).all())


@pytest.mark.parametrize("code", ["", "AAAAA-AAAAA-AAAAA-AAAAA", "'; drop table vouchers"])
def test_an_unknown_code_is_refused_like_an_expired_one(house, ada, code):
    """The message is the same."""
    expired = house.do(vouchers.issue, WORTH, house.now(), "", house.now() + timedelta(days=1))
    house.clock.advance(days=1)
    said = []
    for tried in (code, expired):
        with pytest.raises(InvalidParameter) as refused:
            house.do(vouchers.redeem, ada, tried, house.now())
        said.append(refused.value.message)
    assert said[0] == said[1]
    assert house.see(ledger.balance, ada.id).total_micro == 0


def test_a_voucher_worth_nothing_or_too_much_is_not_made(house):
    """Nor one below nothing, nor one above what any account may hold."""
    for amount in (0, -1, MOST_MICRO + 1):
        with pytest.raises(InvalidParameter, match="more than zero and at most 1,000,000,000 credits") as refused:
            house.do(vouchers.issue, amount, house.now())
        assert refused.value.field == "amount"

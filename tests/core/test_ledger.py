"""The ledger's two sides, its refusals and its history that nobody rewrites."""

import pytest
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError

from fluxhouse.core import ledger
from fluxhouse.generation.errors import InsufficientCredits


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE ledger_entries SET amount_micro = 0",
        "DELETE FROM ledger_entries",
        "REPLACE INTO ledger_entries SELECT id, transfer_id, kind, ledger_account, 0, job_id, reference, "
        "created_at FROM ledger_entries WHERE id = 1",
    ],
)
def test_history_is_never_rewritten(house, ada, statement):
    """The table itself refuses update, delete and what can remove rows beside them."""
    if house.url.startswith("postgresql"):
        statement = statement.replace("REPLACE INTO", "TRUNCATE ledger_entries --")
    with pytest.raises(IntegrityError, match="the ledger is append-only"):
        house.do(lambda connection: connection.execute(text(statement)))


def test_a_reference_is_granted_once(house, ada):
    """The same payment grants once, to whichever account; without a reference each grant counts."""
    house.do(ledger.grant, ada.account.id, 5, house.now(), "pay_1")
    for account_id in (ada.account.id, house.caller("ben").account.id):
        with pytest.raises(IntegrityError):
            house.do(ledger.grant, account_id, 5, house.now(), "pay_1")
    assert house.balance(ada) == (100_000_005, 0)


def test_a_hold_says_what_is_missing(house, ada):
    """The refusal names the price and what there is; nothing moved."""
    with pytest.raises(InsufficientCredits) as refused:
        house.do(ledger.hold, ada.account.id, "job", 100_000_001, house.now())
    assert (refused.value.required_micro, refused.value.available_micro) == (100_000_001, 100_000_000)
    assert house.balance(ada) == (100_000_000, 0)


def test_the_owner_sees_grants_holds_releases_and_charges(house, ada):
    """Newest first, by pages; a charge shows once, as what left the hold."""
    house.succeed(house.running(ada, count=3), images=1)
    newest = house.see(ledger.entries, ada.account.id, 2)
    older = house.see(ledger.entries, ada.account.id, 9, newest[-1].id)
    seen = [(entry.kind, entry.amount_micro) for entry in (*newest, *older)]
    assert seen == [("release", 2_000_000), ("capture", -1_000_000), ("hold", -3_000_000), ("grant", 100_000_000)]
    assert house.see(ledger.entries, house.caller("ben", 0).account.id, 9) == []


def test_a_balance_is_what_is_free_and_what_is_held(house, ada):
    """Zeros before the first entry; the total is both."""
    house.job(ada, count=4)
    found = house.see(ledger.balance, ada.account.id)
    assert (found.available_micro, found.held_micro, found.total_micro) == (96_000_000, 4_000_000, 100_000_000)
    assert house.see(ledger.balance, "nobody").total_micro == 0

"""`fluxhouse credits` grants each payment once and shows where credits went."""

from sqlalchemy import text

from fluxhouse.database.database import Database
from fluxhouse.settings import read_settings


def test_a_grant_is_added_once_per_reference(fluxhouse):
    """Granting adds up; the same reference is refused the second time."""
    fluxhouse("accounts", "create", "me", "--credits", "1")
    assert fluxhouse("credits", "grant", "me", "2.5").out == "account 'me' has 3.5 credits to spend\n"
    assert fluxhouse("credits", "grant", "me", "1", "--reference", "invoice 7").code == 0
    again = fluxhouse("credits", "grant", "me", "1", "--reference", "invoice 7")
    assert (again.code, again.err) == (1, "fluxhouse: 'invoice 7' was granted before\n")
    shown = fluxhouse("credits", "show", "me").out
    assert shown.splitlines()[:3] == ["balance   4.5", "held      0", "available 4.5"]
    assert "invoice 7" in shown


def test_credits_of_nobody_are_refused(fluxhouse):
    """An unknown account is named in the refusal."""
    fluxhouse("accounts", "create", "me")
    for arguments in (("credits", "grant", "you", "1"), ("credits", "show", "you")):
        assert "'you'" in fluxhouse(*arguments).err


def test_reconcile_proves_or_accuses(fluxhouse):
    """All adding up is exit code 0; one falsified balance is named and exit code 1."""
    fluxhouse("accounts", "create", "me", "--credits", "1")
    assert fluxhouse("reconcile") == (0, "0 drifts\n", "")
    database = Database(read_settings().database_address)
    with database.transaction() as connection:
        connection.execute(text("UPDATE balances SET amount_micro = amount_micro + 500000 WHERE amount_micro > 0"))
    database.close()
    falsified = fluxhouse("reconcile")
    assert falsified.code == 1
    assert "is off by 0.5 credits" in falsified.out
    assert falsified.out.endswith("1 drifts\n")

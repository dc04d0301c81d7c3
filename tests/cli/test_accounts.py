"""`fluxhouse accounts` opens accounts and lists them."""

import pytest

from fluxhouse.core import audit
from fluxhouse.database.database import Database
from fluxhouse.settings import read_settings


def test_an_account_starts_with_its_credits(fluxhouse):
    """An account can be opened in an empty data folder, and is listed with what it has."""
    assert fluxhouse("accounts", "create", "me", "--credits", "12.5").out == "account 'me' has 12.5 credits\n"
    assert fluxhouse("accounts", "create", "you").code == 0
    listed = fluxhouse("accounts", "list")
    assert [line.split()[:3] for line in listed.out.splitlines()[1:]] == [["me", "12.5", "0"], ["you", "0", "0"]]


@pytest.mark.parametrize("credits", ["lots", "0.0000001", "-1"])
def test_credits_that_are_none_open_nothing(fluxhouse, credits):
    """A malformed number of credits is refused in one line, and no account is left behind."""
    fluxhouse("accounts", "create", "first")
    refused = fluxhouse("accounts", "create", "me", "--credits", credits)
    assert refused.code == 1
    assert refused.err.startswith("fluxhouse: ")
    assert refused.err.count("\n") == 1
    assert "me" not in [line.split()[0] for line in fluxhouse("accounts", "list").out.splitlines()]


def test_a_name_is_taken_once(fluxhouse):
    """A second account of the same name is refused."""
    fluxhouse("accounts", "create", "me")
    assert fluxhouse("accounts", "create", "me").err == "fluxhouse: there is an account 'me' already\n"


def test_an_account_is_suspended_and_resumed(fluxhouse):
    """The list says who is suspended; an account that is not there is refused by name."""
    fluxhouse("accounts", "create", "me")
    assert fluxhouse("accounts", "suspend", "me").out == "account 'me' is suspended\n"
    assert "me (suspended)" in fluxhouse("accounts", "list").out
    assert fluxhouse("accounts", "resume", "me").code == 0
    assert "suspended" not in fluxhouse("accounts", "list").out
    assert fluxhouse("accounts", "suspend", "you").err == "fluxhouse: there is no account 'you'\n"


def test_an_account_is_given_a_weight(fluxhouse):
    """Its share is listed beside its credits; less than 1 is refused."""
    fluxhouse("accounts", "create", "me")
    assert fluxhouse("accounts", "weigh", "me", "3").out == "account 'me' has the weight 3\n"
    assert fluxhouse("accounts", "weigh", "me", "0").code == 2
    assert fluxhouse("accounts", "list").out.splitlines()[1].split()[3] == "3"


def test_what_commands_do_to_accounts_credits_and_keys_is_in_the_audit_log(fluxhouse):
    """Each with its own action, by the command line; what is refused is not there."""
    fluxhouse("accounts", "create", "me", "--credits", "2")
    fluxhouse("accounts", "suspend", "me")
    fluxhouse("accounts", "resume", "me")
    fluxhouse("accounts", "weigh", "me", "3")
    for _ in range(2):
        fluxhouse("credits", "grant", "me", "5", "--reference", "a gift")
    key = fluxhouse("keys", "create", "me").out.split()[1]
    fluxhouse("keys", "revoke", key)
    database = Database(read_settings().database_address)
    with database.snapshot() as connection:
        entries = audit.latest(connection, 20)
    database.close()
    assert {entry.actor for entry in entries} == {audit.COMMAND}
    assert [(entry.action, entry.subject) for entry in reversed(entries)] == [
        ("accounts.create", "me"),
        ("accounts.suspend", "me"),
        ("accounts.resume", "me"),
        ("accounts.weight", "me"),
        ("credits.grant", "me"),
        ("keys.create", key),
        ("keys.revoke", key),
    ]
    assert entries[2].facts == {"credits": "5", "why": "a gift"}

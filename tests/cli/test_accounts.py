"""`fluxhouse accounts` opens accounts and lists them."""

import pytest


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

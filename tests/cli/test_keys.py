"""`fluxhouse keys` issues keys whose limits are what was typed, and takes them back."""

from datetime import UTC, datetime, timedelta

import pytest

from fluxhouse.assembly import pepper, read_secret
from fluxhouse.core import keys
from fluxhouse.database.database import Database
from fluxhouse.generation.errors import InvalidKey
from fluxhouse.settings import read_settings


@pytest.fixture
def authenticated(fluxhouse):
    """Whose key a text is, by the installation's own database and secret."""
    fluxhouse("accounts", "create", "me", "--credits", "10")

    def authenticate(text):
        settings = read_settings()
        database = Database(settings.database_address)
        try:
            with database.snapshot() as connection:
                return keys.authenticate(connection, text, pepper(read_secret(settings)), datetime.now(UTC))
        finally:
            database.close()

    return authenticate


def test_the_last_line_is_the_key_alone(fluxhouse, authenticated):
    """A script takes the key from the last line, and it works."""
    text = fluxhouse("keys", "create", "me").out.splitlines()[-1]
    caller = authenticated(text)
    assert caller.account.name == "me"
    assert caller.key.scopes == {"run", "read"}


def test_a_key_has_the_limits_that_were_typed(fluxhouse, authenticated):
    """Scope, models, expiry, cap, rate and label all arrive."""
    limits = ("--scope", "read", "--model", "flux-dev", "--model", "flux-schnell", "--expires", "30d")
    issued = fluxhouse("keys", "create", "me", *limits, "--cap", "2.5", "--rate", "7", "--label", "laptop")
    key = authenticated(issued.out.splitlines()[-1]).key
    assert key.scopes == {"read"}
    assert key.models == {"flux-dev", "flux-schnell"}
    assert abs(key.expires_at - datetime.now(UTC) - timedelta(days=30)) < timedelta(minutes=1)
    assert (key.spend_cap_micro, key.rate_per_minute, key.label) == (2_500_000, 7, "laptop")


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (("keys", "create", "nobody"), "no account"),
        (("keys", "create", "me", "--model", "flux-dve"), "no model 'flux-dve'"),
        (("keys", "create", "me", "--expires", "soon"), "--expires takes 30d"),
        (("keys", "create", "me", "--expires", "2020-01-01"), "not in the future"),
        (("keys", "create", "me", "--cap", "much"), "not a number of credits"),
        (("keys", "revoke", "nothing"), "no key 'nothing' in force"),
    ],
)
def test_what_cannot_be_is_refused(fluxhouse, authenticated, arguments, complaint):
    """A refusal is one line on standard error and exit code 1."""
    refused = fluxhouse(*arguments)
    assert refused.code == 1
    assert refused.out == ""
    assert complaint in refused.err


def test_a_scope_that_does_not_exist_is_a_usage_error(fluxhouse, authenticated):
    """What the command line itself can judge ends with exit code 2."""
    assert fluxhouse("keys", "create", "me", "--scope", "admin").code == 2


@pytest.mark.parametrize("named_by", ["the key", "its id"])
def test_a_revoked_key_is_useless(fluxhouse, authenticated, named_by):
    """A key is revoked by its text or its public id, and the list says so."""
    text = fluxhouse("keys", "create", "me").out.splitlines()[-1]
    public = text.split("_")[1]
    assert fluxhouse("keys", "revoke", text if named_by == "the key" else public).code == 0
    with pytest.raises(InvalidKey):
        authenticated(text)
    listed = fluxhouse("keys", "list", "me").out
    assert public in listed
    assert "revoked" in listed
    assert text not in listed

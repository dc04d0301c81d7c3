"""Keys: their text, who they let in and what they may do."""

import hmac
import re
from datetime import timedelta

import pytest
from sqlalchemy import select

from fluxhouse.core import accounts, keys
from fluxhouse.core.keys import Limits, Scope
from fluxhouse.generation.errors import AccountSuspended, InvalidKey, KeyNotAllowed

PEPPER = b"a pepper of the tests"


@pytest.fixture
def issue(house):
    """Issues keys of one account: `issue(expires_at=...)` gives the key and its text."""
    account = house.do(accounts.create, "ada", house.now())

    def one(**limits):
        return house.do(keys.issue, account.id, PEPPER, house.now(), limits=Limits(**limits))

    return one


def authenticate(house, text, pepper=PEPPER):
    return house.see(keys.authenticate, text, pepper, house.now())


def test_a_key_lets_its_owner_in(house, issue):
    """The text leads to the account and the key as they are kept."""
    key, text = issue(models=frozenset({"flux-dev"}), spend_cap_micro=5, rate_per_minute=9)
    caller = authenticate(house, text)
    assert caller.key == key == house.see(keys.get, key.id)
    assert caller.account == house.see(accounts.by_name, "ada")
    assert (key.models, key.spend_cap_micro, key.rate_per_minute) == ({"flux-dev"}, 5, 9)


def test_the_text_is_random_and_never_kept(house, issue):
    """`fh_`, 8 public characters, 32 secret ones and a checksum; only the prefix and a digest are in the file."""
    key, text = issue()
    assert re.fullmatch(r"fh_[0-9A-Za-z]{8}_[0-9A-Za-z]{38}", text)
    assert text[3:11] == key.id
    assert issue()[1] != text
    with house.database.snapshot() as connection:
        rows = str(connection.execute(select(keys.keys)).all())
    assert text not in rows
    assert text[12:44] not in rows


@pytest.mark.parametrize("place", [3, 11, 12, 43, 44, 49])
def test_a_changed_character_is_refused_before_any_query(issue, place):
    """The checksum tells a typing mistake without the database."""
    _, text = issue()
    typo = text[:place] + ("a" if text[place] != "a" else "b") + text[place + 1 :]
    with pytest.raises(InvalidKey):
        keys.authenticate(None, typo, PEPPER, None)


@pytest.mark.parametrize(
    "text", ["", "fh_", "fh__", "sk-abc", "fh_a_b_c", "fh_\u00e9_x", "Bearer x", "_" * 60, "fh_a\0_b"]
)
def test_what_is_no_key_is_refused(text):
    """Anything else is an invalid key, never an error of ours."""
    with pytest.raises(InvalidKey):
        keys.authenticate(None, text, PEPPER, None)


def test_a_well_formed_key_that_was_never_issued_is_refused(house, issue):
    """A right checksum is not enough, nor is the right prefix with another secret."""
    key, _ = issue()
    for prefix in (key.id, "AAAAAAAA"):
        forged = f"fh_{prefix}_" + "0" * 32
        with pytest.raises(InvalidKey):
            authenticate(house, forged + keys._checksum(forged))


def test_another_pepper_makes_every_key_useless(house, issue):
    """The file alone, without the secret, lets nobody in."""
    _, text = issue()
    with pytest.raises(InvalidKey):
        authenticate(house, text, b"another pepper")


def test_digests_are_compared_in_constant_time(house, issue, monkeypatch):
    """A forged secret is told from the right one by `hmac.compare_digest` and nothing else."""
    seen = []

    def compare(kept, computed):
        seen.append((len(kept), len(computed)))
        return True

    key, _ = issue()
    forged = f"fh_{key.id}_" + "0" * 32
    monkeypatch.setattr(hmac, "compare_digest", compare)
    assert authenticate(house, forged + keys._checksum(forged)).key == key
    assert seen == [(64, 64)]


def test_a_key_ends_at_its_expiry(house, issue):
    """Good until a microsecond before, useless from the moment on."""
    _, text = issue(expires_at=house.now() + timedelta(hours=1))
    house.clock.advance(hours=1, microseconds=-1)
    authenticate(house, text)
    house.clock.advance(microseconds=1)
    with pytest.raises(InvalidKey):
        authenticate(house, text)


def test_a_revoked_key_is_useless_at_once(house, issue):
    """Revoking works once; the account's other keys go on."""
    (key, text), (_, other) = issue(), issue()
    assert house.do(keys.revoke, key.id, house.now())
    assert not house.do(keys.revoke, key.id, house.now())
    with pytest.raises(InvalidKey):
        authenticate(house, text)
    authenticate(house, other)


def test_a_suspended_account_is_told_so(house, issue):
    """Suspension has its own error, can be lifted, and says nothing to a wrong key."""
    key, text = issue()
    house.do(accounts.suspend, key.account_id, True)
    with pytest.raises(AccountSuspended):
        authenticate(house, text)
    with pytest.raises(InvalidKey):
        authenticate(house, text, b"another pepper")
    house.do(accounts.suspend, key.account_id, False)
    authenticate(house, text)


def test_a_scope_that_is_missing_is_named(issue):
    """A key may do what its scopes say and nothing else."""
    key, _ = issue(scopes=frozenset({Scope.READ}))
    key.require(Scope.READ)
    with pytest.raises(KeyNotAllowed, match="`run`"):
        key.require(Scope.RUN)


def test_an_accounts_keys_are_listed_oldest_first(house, issue):
    """All of them, the revoked ones too."""
    first = issue()[0]
    house.clock.advance(seconds=1)
    second = issue()[0]
    house.do(keys.revoke, first.id, house.now())
    assert [key.id for key in house.see(keys.of_account, first.account_id)] == [first.id, second.id]


def test_the_console_works_by_one_key_of_its_own(house):
    """The same text each time, of this account and this pepper only."""
    ada, bob = (house.do(accounts.create, name, house.now()) for name in ("ada", "bob"))
    text = house.do(keys.console_key, ada.id, PEPPER, house.now())
    assert house.do(keys.console_key, ada.id, PEPPER, house.now()) == text
    caller = authenticate(house, text)
    assert (caller.account, caller.key.label) == (ada, keys.CONSOLE_LABEL)
    assert len(house.see(keys.of_account, ada.id)) == 1
    assert house.do(keys.console_key, bob.id, PEPPER, house.now()) != text
    assert house.do(keys.console_key, ada.id, b"another pepper", house.now())[12:] != text[12:]


def test_limits_change_from_the_next_call(house, issue):
    """With the label; what was spent stays."""
    key, text = issue(spend_cap_micro=5)
    house.do(keys.spend, key.id, 3, house.now())
    house.do(keys.change, key.id, "shop", Limits(frozenset({Scope.READ}), spend_cap_micro=9))
    after = authenticate(house, text).key
    assert (after.label, after.scopes, after.spend_cap_micro, after.spent_micro) == ("shop", {"read"}, 9, 3)


def test_an_end_is_only_ever_brought_forward(house, issue):
    """A key that ends before that moment anyway keeps its own end."""
    now = house.now()
    lasting, ending = issue()[0], issue(expires_at=now + timedelta(hours=1))[0]
    for key in (lasting, ending):
        house.do(keys.end_at, key.id, now + timedelta(hours=2))
    ends = [house.see(keys.get, key.id).expires_at for key in (lasting, ending)]
    assert ends == [now + timedelta(hours=2), now + timedelta(hours=1)]


def test_a_key_is_found_by_its_owner_alone(house, issue):
    """As unknown to anybody else as one that never was."""
    key, _ = issue()
    assert house.see(keys.owned, key.id, key.account_id) == key
    assert house.see(keys.owned, key.id, "somebody") is None
    assert house.see(keys.owned, "nothing", key.account_id) is None


def test_the_consoles_key_is_known_by_its_id(house, issue):
    """Before it is issued, and after."""
    account_id = issue()[0].account_id
    text = house.do(keys.console_key, account_id, PEPPER, house.now())
    assert text.startswith(f"fh_{keys.console_key_id(account_id, PEPPER)}_")

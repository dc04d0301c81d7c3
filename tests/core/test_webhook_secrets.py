"""Secrets: every account has one from its first day, a rotation leaves two valid for a day, none is stored."""

from concurrent.futures import ThreadPoolExecutor

from sqlalchemy import select

from fluxhouse.core import webhook_secrets

PEPPER = b"a pepper of the tests"


def valid(house, caller):
    return house.see(webhook_secrets.valid, caller.account.id, PEPPER, house.now())


def rotate(house, caller):
    return house.do(webhook_secrets.rotate, caller.account, PEPPER, house.now())


def test_every_account_has_a_secret_of_its_own(house, ada):
    """Without a row the secret is the same at every look, another account's differs, and so does another pepper's."""
    (mine,) = valid(house, ada)
    assert [mine] == valid(house, ada)
    assert (mine.created_at, mine.expires_at, len(mine.secret)) == (ada.account.created_at, None, 32)
    (other,) = valid(house, house.caller("bob"))
    assert other.secret != mine.secret
    assert house.see(webhook_secrets.valid, ada.account.id, b"x", house.now())[0].secret != mine.secret


def test_a_rotation_leaves_two_valid_for_a_day(house, ada):
    """The new one signs first, the old one beside it until its day is over."""
    (first,) = valid(house, ada)
    house.clock.advance(hours=1)
    new, old = rotate(house, ada)
    assert (old.secret, old.created_at) == (first.secret, first.created_at)
    assert new.secret != first.secret
    assert (new.expires_at, old.expires_at) == (None, house.now() + webhook_secrets.OVERLAP)
    house.clock.advance(hours=23.9)
    assert len(valid(house, ada)) == 2
    house.clock.advance(hours=0.2)
    assert valid(house, ada) == [new]


def test_a_second_rotation_ends_the_oldest_at_once(house, ada):
    """Who fears that a secret leaked rotates twice, and only the two newest are valid."""
    (leaked,) = valid(house, ada)
    (second, _), (third, previous) = rotate(house, ada), rotate(house, ada)
    assert previous.secret == second.secret
    assert [entry.secret for entry in valid(house, ada)] == [third.secret, second.secret]
    assert leaked.secret not in {entry.secret for entry in valid(house, ada)}


def test_rotations_at_the_same_moment_come_one_after_another(house, ada):
    """Nobody's rotation fails, and the two newest secrets are what is left."""
    with ThreadPoolExecutor(4) as threads:
        seen = list(threads.map(lambda _: rotate(house, ada)[0].secret, range(8)))
    assert len(set(seen)) == 8
    left = valid(house, ada)
    assert len(left) == 2
    assert {entry.secret for entry in left} <= set(seen)


def test_the_database_holds_no_secret(house, ada):
    """What is stored is a salt, from which nothing follows without the installation's secret."""
    secrets = {entry.secret for entry in rotate(house, ada)}
    rows = house.see(lambda connection: connection.execute(select(webhook_secrets.webhook_secrets)).all())
    assert len(rows) == 2
    assert not any(secret.hex() in str(row) or str(secret) in str(row) for secret in secrets for row in rows)

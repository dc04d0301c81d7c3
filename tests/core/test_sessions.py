"""Sessions: a token opens one person's session until it is idle, old, ended or the account is suspended."""

from datetime import timedelta

import pytest

from fluxhouse.core import accounts, people, sessions
from fluxhouse.core.people import Role


@pytest.fixture
def ada(house):
    account = house.do(accounts.create, "ada", house.now())
    return house.do(people.create, account.id, "ada@example.com", "digest", Role.MEMBER, house.now())


def found(house, token):
    return house.see(sessions.find, token, house.now())


def test_a_token_opens_its_session_and_is_not_kept(house, ada):
    """The token itself is in no table."""
    token = house.do(sessions.begin, ada, house.now())
    session = found(house, token)
    assert (session.person, session.account_name, session.token) == (ada, "ada", token)
    assert found(house, token + "x") is None
    with house.database.snapshot() as connection:
        kept = connection.execute(sessions.sessions.select()).one()
    assert token not in str(kept)


def test_a_session_ends_when_it_is_idle_or_old(house, ada):
    """A week unused, or a month in all."""
    token = house.do(sessions.begin, ada, house.now())
    house.clock.advance(days=6)
    assert found(house, token) is not None
    house.do(sessions.touch, token, house.now())
    house.clock.advance(days=6)
    assert found(house, token) is not None
    house.clock.advance(days=1)
    assert found(house, token) is None
    for _ in range(10):
        house.do(sessions.touch, token, house.now())
        house.clock.advance(days=3)
    assert found(house, token) is None


def test_signing_out_ends_this_session_alone(house, ada):
    """Other browsers stay signed in."""
    here, there = (house.do(sessions.begin, ada, house.now()) for _ in range(2))
    house.do(sessions.end, here)
    assert (found(house, here) is None, found(house, there) is None) == (True, False)


def test_a_new_password_ends_the_others(house, ada):
    """All but the one that is kept, or all."""
    here, there = (house.do(sessions.begin, ada, house.now()) for _ in range(2))
    house.do(sessions.end_all, ada.id, here)
    assert (found(house, here) is None, found(house, there) is None) == (False, True)
    house.do(sessions.end_all, ada.id)
    assert found(house, here) is None


def test_a_suspended_account_has_no_session(house, ada):
    """Suspending the account closes its sessions."""
    token = house.do(sessions.begin, ada, house.now())
    house.do(accounts.suspend, ada.account_id, True)
    assert found(house, token) is None


def test_a_session_is_fresh_for_a_quarter_of_an_hour_and_form_tokens_differ(house, ada):
    """Tokens of forms depend on session and pepper."""
    one, other = (found(house, house.do(sessions.begin, ada, house.now())) for _ in range(2))
    assert one.is_fresh(house.now() + timedelta(minutes=14))
    assert not one.is_fresh(house.now() + timedelta(minutes=15))
    assert one.form_token(b"pepper") != other.form_token(b"pepper")
    assert one.form_token(b"pepper") != one.form_token(b"salt")
    assert not one.wants_touch(house.now())
    assert one.wants_touch(house.now() + timedelta(minutes=5))


def test_what_ended_is_swept_when_somebody_signs_in(house, ada):
    """Rows do not pile up."""
    house.do(sessions.begin, ada, house.now())
    house.clock.advance(days=8)
    house.do(sessions.begin, ada, house.now())
    with house.database.snapshot() as connection:
        assert len(connection.execute(sessions.sessions.select()).all()) == 1

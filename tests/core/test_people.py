"""People: addresses are unique, passwords are kept as slow digests, and a role can be given."""

import pytest

from fluxhouse.core import accounts, people
from fluxhouse.core.people import Role
from fluxhouse.generation.errors import InvalidParameter

PASSWORD = "correct horse battery"


@pytest.fixture(scope="module")
def digest():
    return people.digest_password(PASSWORD)


@pytest.fixture
def account(house):
    return house.do(accounts.create, "ada", house.now())


def test_a_password_fits_its_own_digest_and_no_other(digest):
    """The digest does not hold the password, and nothing else fits it."""
    assert PASSWORD not in digest
    assert people.password_fits(digest, PASSWORD)
    assert not people.password_fits(digest, PASSWORD + "!")
    assert not people.password_fits(None, PASSWORD)


@pytest.mark.parametrize("password", ["short", "x" * 201])
def test_a_password_too_short_or_too_long_is_refused_by_name(password):
    """The refusal names the field and the limits."""
    with pytest.raises(InvalidParameter) as refused:
        people.digest_password(password)
    assert refused.value.field == "password"
    assert "10 to 200" in refused.value.message


def test_an_address_is_found_however_it_is_spelled(house, account, digest):
    """Addresses are kept and looked up in lower case."""
    made = house.do(people.create, account.id, " Ada@Example.com ", digest, Role.MEMBER, house.now())
    assert made.address == "ada@example.com"
    assert house.see(people.by_address, "ADA@example.com") == (made, digest)
    assert house.see(people.by_address, "bob@example.com") is None


@pytest.mark.parametrize("address", ["", "ada", "@example.com", "ada@", "a b@example.com", "a" * 65 + "@example.com"])
def test_what_is_no_address_is_refused(house, account, digest, address):
    """The refusal names the field."""
    with pytest.raises(InvalidParameter) as refused:
        house.do(people.create, account.id, address, digest, Role.MEMBER, house.now())
    assert refused.value.field == "address"


def test_an_address_is_taken_once(house, account, digest):
    """Whatever its spelling."""
    house.do(people.create, account.id, "ada@example.com", digest, Role.MEMBER, house.now())
    with pytest.raises(InvalidParameter, match="already"):
        house.do(people.create, account.id, "ADA@example.com", digest, Role.MEMBER, house.now())


def test_there_is_no_admin_until_somebody_is_made_one(house, account, digest):
    """A role can be given later."""
    ada = house.do(people.create, account.id, "ada@example.com", digest, Role.MEMBER, house.now())
    assert not house.see(people.there_is_an_admin)
    house.do(people.set_role, ada.id, Role.ADMIN)
    assert house.see(people.there_is_an_admin)
    assert [person.is_admin for person in house.see(people.of_account, account.id)] == [True]


def test_a_new_password_replaces_the_old(house, account, digest):
    """The digest is the new one."""
    ada = house.do(people.create, account.id, "ada@example.com", digest, Role.MEMBER, house.now())
    house.do(people.set_password, ada.id, "another digest")
    assert house.see(people.by_address, "ada@example.com")[1] == "another digest"

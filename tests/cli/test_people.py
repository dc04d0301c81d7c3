"""`fluxhouse people`: who may sign in, made and changed at the terminal."""

import io

import pytest

from fluxhouse.core import audit, people
from fluxhouse.database.database import Database

ADA = ("people", "create", "Ada@example.com", "--account", "house", "--admin", "--password-stdin")


@pytest.fixture
def typed(fluxhouse, monkeypatch):
    """Types a command that reads a password."""
    fluxhouse("accounts", "create", "house")

    def run(*arguments, password="correct horse battery"):
        monkeypatch.setattr("sys.stdin", io.StringIO(password + "\n"))
        return fluxhouse(*arguments)

    return run


@pytest.fixture
def kept(tmp_path):
    """Reads the database behind the commands."""
    database = Database(f"sqlite:///{tmp_path / 'house' / 'fluxhouse.db'}")

    def see(query, *arguments):
        with database.snapshot() as connection:
            return query(connection, *arguments)

    yield see
    database.close()


def test_a_person_is_made_listed_and_given_a_new_password(typed, fluxhouse, kept):
    """The password is never printed, and both steps are in the audit log."""
    made = typed(*ADA)
    assert made.out == "ada@example.com may sign in to the account 'house' as admin\n"
    assert fluxhouse("people", "list").out.splitlines()[1].split()[:3] == ["ada@example.com", "house", "admin"]
    changed = typed("people", "password", "ada@example.com", "--password-stdin", password="another battery")
    assert changed.out == "ada@example.com has a new password\n"
    _, digest = kept(people.by_address, "ada@example.com")
    assert people.password_fits(digest, "another battery")
    assert [entry.action for entry in kept(audit.latest, 5)] == ["people.password", "people.create", "accounts.create"]


@pytest.mark.parametrize(
    ("arguments", "password", "said"),
    [
        (ADA, "short", "a password has 10 to 200 characters"),
        ((*ADA[:2], "nobody", *ADA[3:]), "correct horse battery", "an e-mail address looks like name@example.com"),
        ((*ADA[:4], "none", *ADA[5:]), "correct horse battery", "there is no account 'none'"),
        (("people", "password", "x@y", "--password-stdin"), "correct horse battery", "nobody has the address 'x@y'"),
    ],
)
def test_what_is_wrong_is_told_in_one_line(typed, fluxhouse, arguments, password, said):
    """Nobody is made."""
    refused = typed(*arguments, password=password)
    assert (refused.code, refused.err) == (1, f"fluxhouse: {said}\n")
    assert len(fluxhouse("people", "list").out.splitlines()) == 1

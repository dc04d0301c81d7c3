"""The audit log: what is noted can be read, newest first and page by page."""

from fluxhouse.core import audit


def test_entries_are_read_newest_first_and_page_by_page(house):
    """Newest first, and `before` gives the next page."""
    for number in range(5):
        house.do(audit.note, audit.COMMAND, "credits.grant", f"account {number}", house.now(), amount_micro=number)
    first = house.see(audit.latest, 3)
    rest = house.see(audit.latest, 3, first[-1].number)
    assert [entry.subject for entry in first + rest] == [f"account {number}" for number in (4, 3, 2, 1, 0)]
    assert (first[0].actor, first[0].action, first[0].facts) == (audit.COMMAND, "credits.grant", {"amount_micro": 4})
    assert first[0].at == house.now()


def test_what_is_noted_in_a_transaction_that_fails_is_not_there(house):
    """The entry goes with its transaction."""
    try:
        with house.transaction() as connection:
            audit.note(connection, "ada@example.com", "keys.revoke", "k", house.now())
            raise RuntimeError
    except RuntimeError:
        pass
    assert house.see(audit.latest, 3) == []

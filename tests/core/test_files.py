"""Uploaded files: their owner's alone, until they expire."""

from dataclasses import replace
from datetime import timedelta

import pytest

from fluxhouse.core import files
from fluxhouse.core.files import File
from fluxhouse.generation.errors import FileQuotaExceeded, UnknownFile


def test_a_file_is_its_owners_until_it_is_removed(house, ada):
    """Found by its owner, unknown to others; due at its expiry, oldest first; unknown once removed."""
    kept = [
        File(
            name,
            ada.account.id,
            f"files/{name}",
            "image/png",
            8,
            9,
            99,
            house.now(),
            house.now() + timedelta(days=day),
        )
        for name, day in (("late", 2), ("soon", 1))
    ]
    for file in kept:
        house.do(files.add, file)
    assert house.see(files.owned, "late", ada.account.id) == kept[0]
    with pytest.raises(UnknownFile):
        house.see(files.owned, "late", house.caller("ben").account.id)
    assert house.see(files.outdated, house.now() + timedelta(hours=23), 9) == []
    assert house.see(files.outdated, house.now() + timedelta(days=2), 9) == kept[::-1]
    assert house.see(files.outdated, house.now() + timedelta(days=2), 1) == kept[1:]
    house.do(files.remove, "late")
    with pytest.raises(UnknownFile):
        house.see(files.owned, "late", ada.account.id)


def test_an_account_has_so_much_room(house, ada):
    """Bytes of unexpired files are summed, of this account alone; one byte too many is refused by its numbers."""

    def keep(name, owner, size):
        expires = house.now() + timedelta(days=1)
        file = File(name, owner.account.id, f"files/{name}", "image/png", 8, 9, size, house.now(), expires)
        house.do(files.add, file)

    keep("a", ada, files.QUOTA_BYTES - 10)
    keep("b", house.caller("ben"), 11)
    keep("c", ada, 10)
    with pytest.raises(FileQuotaExceeded, match="may take 500,000,000 bytes; yours take 500,000,000"):
        keep("d", ada, 1)
    house.do(files.remove, "c")
    keep("d", ada, 9)
    house.clock.advance(days=1)
    keep("e", ada, files.QUOTA_BYTES)


def test_a_page_of_files_is_its_owners_newest_first(house, ada):
    """Unexpired files of one account, in pages that follow each other; what came with a file comes back with it."""
    for hour, owner in enumerate((ada, house.caller("ben"), ada, ada)):
        made = house.now()
        kept = File(
            f"f{hour}", owner.account.id, f"files/{hour}", "image/png", 8, 9, 99, made, made + timedelta(days=1)
        )
        house.do(files.add, replace(kept, name="a.png", sha256="0" * 64, metadata={"for": hour}))
        house.clock.advance(hours=1)
    first = house.see(files.page, ada.account.id, house.now(), 2)
    assert [(file.id, file.name, file.metadata) for file in first] == [
        ("f3", "a.png", {"for": 3}),
        ("f2", "a.png", {"for": 2}),
    ]
    rest = house.see(files.page, ada.account.id, house.now(), 2, (first[-1].created_at, first[-1].id))
    assert [file.id for file in rest] == ["f0"]
    house.clock.advance(hours=20)
    assert [file.id for file in house.see(files.page, ada.account.id, house.now(), 9)] == ["f3", "f2"]

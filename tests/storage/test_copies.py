"""Local copies: found by version, bounded in bytes, never taken from whoever just got them."""

import contextlib
import os
import subprocess
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

import pytest

from fluxhouse.generation.errors import StorageUnavailable
from fluxhouse.storage.copies import Copies

WRITE_BEYOND_LIMIT = """
import resource, sys
from datetime import UTC, datetime
from pathlib import Path
from fluxhouse.generation.errors import StorageUnavailable
from fluxhouse.storage.copies import Copies

resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
copies = Copies(Path(sys.argv[1]), 1000)
try:
    with copies.draft() as draft:
        copies.write(draft, b"x" * int(sys.argv[2]))
        copies.keep(draft, "inputs/a", "1", datetime.now(UTC))
except StorageUnavailable as error:
    print(error.message)
"""

YESTERDAY = datetime(2026, 11, 19, 12, tzinfo=UTC)


def add(copies: Copies, key: str, content: bytes = b"x" * 100, version: str = "1", unused: float = 0.0) -> Path:
    """A copy that was last handed out `unused` seconds ago."""
    with copies.draft() as draft:
        copies.write(draft, content)
        path = copies.keep(draft, key, version, YESTERDAY)
    os.utime(path, (time.time() - unused, YESTERDAY.timestamp()))
    return path


def test_a_copy_is_found_by_key_and_version(tmp_path: Path) -> None:
    """The bytes are found under the key and version they were kept for, with the store's time, and under no other."""
    copies = Copies(tmp_path, 1000)
    path = add(copies, "inputs/a.png", b"picture")
    assert copies.find("inputs/a.png", "1") == path
    assert (path.read_bytes(), path.suffix, path.stat().st_mtime) == (b"picture", ".png", YESTERDAY.timestamp())
    assert copies.find("inputs/a.png", "2") is None
    assert copies.find("inputs/b.png", "1") is None


def test_the_least_recently_used_go_first(tmp_path: Path) -> None:
    """Beyond the bound, copies go in the order of their last use until the rest fits."""
    copies = Copies(tmp_path, 300)
    paths = [add(copies, f"inputs/{number}", unused=2000) for number in range(3)]
    copies.find("inputs/0", "1")
    newest = add(copies, "inputs/3")
    assert [path.exists() for path in (*paths, newest)] == [True, False, True, True]


def test_what_was_just_handed_out_stays(tmp_path: Path) -> None:
    """Copies still in use are kept beyond the bound, and go once they are not."""
    copies = Copies(tmp_path, 150)
    paths = [add(copies, f"inputs/{number}") for number in range(5)]
    assert all(path.exists() for path in paths)
    for path in paths:
        os.utime(path, (time.time() - 2000, YESTERDAY.timestamp()))
    add(copies, "inputs/5")
    assert not any(path.exists() for path in paths)


def test_what_nobody_wants_any_more_goes(tmp_path: Path) -> None:
    """A copy unused for more than a day goes although there is room."""
    copies = Copies(tmp_path, 1_000_000)
    old, younger = add(copies, "inputs/old", unused=90_000), add(copies, "inputs/younger", unused=80_000)
    add(copies, "inputs/new")
    assert (old.exists(), younger.exists()) == (False, True)


def test_forgetting_takes_every_version(tmp_path: Path) -> None:
    """No copy of a forgotten key stays; those of others do; a folder not yet there is no error."""
    Copies(tmp_path / "none", 1000).forget("inputs/a")
    copies = Copies(tmp_path, 1000)
    paths = [add(copies, "inputs/a", version=version) for version in ("1", "2")]
    other = add(copies, "inputs/ab")
    copies.forget("inputs/a")
    assert not any(path.exists() for path in paths)
    assert other.exists()


def test_a_draft_not_kept_is_gone(tmp_path: Path) -> None:
    """Whatever interrupts the writing, no half copy stays; what a crash left goes after an hour."""
    copies = Copies(tmp_path, 1000)
    with contextlib.suppress(KeyboardInterrupt), copies.draft() as draft:
        copies.write(draft, b"half")
        raise KeyboardInterrupt
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []
    for name, age in (("old", 4000), ("new", 0)):
        leftover = tmp_path / ".partial" / name
        leftover.write_bytes(b"half")
        os.utime(leftover, (time.time() - age,) * 2)
    add(copies, "inputs/a")
    assert [path.name for path in (tmp_path / ".partial").iterdir()] == ["new"]


def test_a_folder_that_cannot_be_is_a_typed_error(tmp_path: Path) -> None:
    """Where no folder can be made, the error names the copies and no path."""
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(StorageUnavailable, match="local copies") as caught:
        add(Copies(tmp_path / "file", 1000), "inputs/a")
    assert str(tmp_path) not in caught.value.message


@pytest.mark.parametrize("length", [5000, 1_000_000])
def test_a_full_disk_is_a_typed_error(tmp_path: Path, length: int) -> None:
    """Bytes that the disk refuses, while writing or at the end, are a typed error and leave nothing."""
    ended = subprocess.run(
        [sys.executable, "-c", WRITE_BEYOND_LIMIT, str(tmp_path), str(length)],
        capture_output=True,
        text=True,
        check=True,
    )
    assert ended.stdout == "The storage's local copies cannot be kept: the disk is full or refuses.\n"
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []

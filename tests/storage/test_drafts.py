"""Drafts of long files: there while they are made, gone afterwards, whatever happens."""

import os
import time
from pathlib import Path

import pytest

from fluxhouse.generation.errors import StorageUnavailable
from fluxhouse.storage.drafts import Drafts


def test_a_draft_is_gone_at_the_end(tmp_path):
    """Also where the making fails."""
    drafts = Drafts(tmp_path / "drafts")
    with drafts.open() as draft:
        draft.write(b"half")
        draft.flush()
        assert Path(draft.name).read_bytes() == b"half"
    with pytest.raises(ZeroDivisionError), drafts.open():
        1 / 0  # noqa: B018
    assert list((tmp_path / "drafts").iterdir()) == []


def test_what_a_crash_left_is_removed_once_it_is_old(tmp_path):
    """Another process may be at work on what is young."""
    for name, age in (("old", 10**5), ("young", 60)):
        (tmp_path / name).write_bytes(b"x")
        os.utime(tmp_path / name, (time.time() - age,) * 2)
    with Drafts(tmp_path).open():
        pass
    assert [path.name for path in tmp_path.iterdir()] == ["young"]


def test_a_disk_that_refuses_is_said_to(tmp_path):
    """An error of the disk is the storage's; a timeout is none."""
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(StorageUnavailable), Drafts(tmp_path / "file" / "drafts").open():
        pass
    with pytest.raises(StorageUnavailable), Drafts(tmp_path).open():
        raise OSError(28, "No space left on device")
    with pytest.raises(TimeoutError), Drafts(tmp_path).open():
        raise TimeoutError

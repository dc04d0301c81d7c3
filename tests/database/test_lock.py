"""The folder's lock has one holder at a time, and none after its holder's death."""

import subprocess
import sys

import pytest

from fluxhouse.database.lock import FolderInUse, FolderLock

HOLD = """
import subprocess, sys
from pathlib import Path
from fluxhouse.database.lock import FolderLock
FolderLock(Path(sys.argv[1])).acquire()
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"], stdout=subprocess.DEVNULL)
print(child.pid, flush=True)
sys.stdin.read()
"""


def test_the_second_is_refused_and_told_who_was_first(tmp_path):
    """One process holds the lock; another is refused with a sentence that names the holder."""
    first, second = FolderLock(tmp_path / "lock"), FolderLock(tmp_path / "lock")
    assert second.holder() is None
    first.acquire()
    with pytest.raises(FolderInUse, match=r"process \d+.*stop it"):
        second.acquire()
    assert second.holder()
    first.release()
    assert second.holder() is None
    second.acquire()
    second.release()


def test_death_frees_it_though_a_child_lives_on(tmp_path):
    """After kill -9 the lock is free at once, even while a child of the dead process still runs."""
    path = tmp_path / "lock"
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    with holder:
        child = int(holder.stdout.readline())
        try:
            assert FolderLock(path).holder() == str(holder.pid)
            holder.kill()
            holder.wait()
            lock = FolderLock(path)
            lock.acquire()
            lock.release()
        finally:
            subprocess.run(["kill", str(child)], check=True)

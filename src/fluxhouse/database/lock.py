"""The lock that keeps a data folder to one serving or working process."""

from __future__ import annotations

import fcntl
import os
from contextlib import suppress
from pathlib import Path


class FolderInUse(RuntimeError):
    """Another process serves or works on the data folder."""


class FolderLock:
    """An exclusive lock on a file, held until `release` or the end of the process, even by kill -9.

    The descriptor is closed in every program this process starts, so no child keeps the lock alive.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._descriptor: int | None = None

    def acquire(self) -> None:
        """Take the lock; raises `FolderInUse` at once where somebody else has it."""
        self._path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.read(descriptor, 20).decode(errors="replace").strip()
            os.close(descriptor)
            process = f" (process {holder})" if holder else ""
            raise FolderInUse(
                f"another fluxhouse{process} serves or works on {self._path.parent}: stop it, or take another --data"
            ) from None
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
        self._descriptor = descriptor

    def release(self) -> None:
        """Let go of the lock; no error where it is not held."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    def holder(self) -> str | None:
        """Who has the lock, as a process number or "" where it does not say; None where nobody has it."""
        with suppress(FileNotFoundError):
            descriptor = os.open(self._path, os.O_RDONLY | os.O_CLOEXEC)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except BlockingIOError:
                return os.read(descriptor, 20).decode(errors="replace").strip()
            finally:
                os.close(descriptor)
        return None

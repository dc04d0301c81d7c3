"""Local copies of what a store elsewhere keeps, bounded in bytes, the least recently used going first."""

from __future__ import annotations

import hashlib
import os
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import datetime
from pathlib import Path, PurePosixPath
from typing import IO

from fluxhouse.generation.errors import StorageUnavailable
from fluxhouse.storage.drafts import remove_leftovers

_PARTIAL = ".partial"
_IN_USE_SECONDS = 900.0  # Whoever was given a path may open it this long, also where an engine first loads.
_UNUSED_SECONDS = 86_400.0  # Pictures are wanted for hours; what was deleted elsewhere must not stay for ever.
_LEFTOVER_SECONDS = 3600.0  # No download takes this long: what is older was left by a crash.


class Copies:
    """Files in `folder`, at most `most_bytes` of them once the newest are no longer in use. May be shared by processes.

    The access time of a file says when it was last handed out, its modification time when the store got the bytes.
    Methods block for as long as the disk does, and raise StorageUnavailable where it is full or refuses.
    """

    def __init__(self, folder: Path, most_bytes: int) -> None:
        self._folder = folder
        self._most_bytes = most_bytes

    def find(self, key: str, version: str) -> Path | None:
        """The copy of this version of `key`, from now on in use; None where there is none."""
        path = self._path(key, version)
        with _typed_errors():
            try:
                os.utime(path, ns=(time.time_ns(), path.stat().st_mtime_ns))
            except FileNotFoundError:
                return None
        return path

    @contextmanager
    def draft(self) -> Iterator[IO[bytes]]:
        """A new file to write a copy into; it is gone at the end unless `keep` was called on it."""
        with _typed_errors():  # also around closing, which writes what a full disk has refused once
            folder = self._folder / _PARTIAL
            folder.mkdir(parents=True, exist_ok=True)
            with tempfile.NamedTemporaryFile(dir=folder, delete=False) as file:
                try:
                    yield file
                finally:
                    Path(file.name).unlink(missing_ok=True)

    def write(self, draft: IO[bytes], content: bytes) -> None:
        """Append to what stands in `draft`."""
        with _typed_errors():
            draft.write(content)

    def keep(self, draft: IO[bytes], key: str, version: str, modified: datetime) -> Path:
        """Make what was written to `draft` the copy of this version of `key`, and other copies go where it is due."""
        path = self._path(key, version)
        with _typed_errors():
            draft.flush()
            os.fsync(draft.fileno())
            os.utime(draft.fileno(), (time.time(), modified.timestamp()))
            os.replace(draft.name, path)
            self._evict()
        return path

    def forget(self, key: str) -> None:
        """Remove the copies of every version of `key`."""
        with _typed_errors():
            for path in self._folder.glob(f"{_digest(key)}-*"):
                path.unlink(missing_ok=True)

    def _path(self, key: str, version: str) -> Path:
        return self._folder / f"{_digest(key)}-{_digest(version)}{PurePosixPath(key).suffix}"

    def _evict(self) -> None:
        now = time.time()
        copies = sorted(_files(self._folder), key=lambda copy: copy[1].st_atime)
        held = sum(status.st_size for _, status in copies)
        for path, status in copies:
            unused = now - status.st_atime
            if unused > _UNUSED_SECONDS or (held > self._most_bytes and unused > _IN_USE_SECONDS):
                path.unlink(missing_ok=True)
                held -= status.st_size
        remove_leftovers(self._folder / _PARTIAL, _LEFTOVER_SECONDS)


def _files(folder: Path) -> Iterator[tuple[Path, os.stat_result]]:
    """The files that lie directly in `folder`; one that goes meanwhile is left out."""
    with os.scandir(folder) as entries:
        for entry in entries:
            with suppress(FileNotFoundError):
                if entry.is_file(follow_symlinks=False):
                    yield Path(entry.path), entry.stat(follow_symlinks=False)


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:40]


@contextmanager
def _typed_errors() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise StorageUnavailable("The storage's local copies cannot be kept: the disk is full or refuses.") from error

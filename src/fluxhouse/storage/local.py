"""A store in a folder of this machine."""

from __future__ import annotations

import asyncio
import errno
import os
import shutil
import stat
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from fluxhouse.generation.errors import StorageUnavailable, UnknownFile
from fluxhouse.storage.drafts import remove_leftovers
from fluxhouse.storage.storage import checked_key

_PARTIAL = ".partial"  # No key begins with a dot, so nothing in here is ever taken for a file.
_LEFTOVER_SECONDS = 3600.0  # No write takes this long: what is older was left by a crash.
_MOVE_ATTEMPTS = 5

_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
_REFUSED = {errno.EROFS, errno.EACCES, errno.EPERM}
_ABSENT = (FileNotFoundError, NotADirectoryError, IsADirectoryError)


class LocalStorage:
    """Keeps files under `root`; both a `Storage` and a `Listing`. File work runs in threads.

    Every method raises StorageUnavailable where the folder is full, read-only or unreadable.
    """

    def __init__(self, root: Path) -> None:
        self._root = root
        self._swept = False

    async def put(self, key: str, content: bytes) -> None:
        """Keep `content` under `key`; it survives a crash of the machine once this returns."""
        await asyncio.to_thread(self._put, checked_key(key), content)

    async def put_file(self, key: str, file: Path) -> None:
        """`put` for the content of a local file of any length; on the same disk it is linked and not copied."""
        await asyncio.to_thread(self._put_file, checked_key(key), file)

    async def get(self, key: str) -> bytes:
        """The bytes under `key`; raises UnknownFile."""
        return await asyncio.to_thread(self._get, checked_key(key))

    async def delete(self, key: str) -> None:
        """Forget `key`; a key that is not there is no error."""
        await asyncio.to_thread(self._delete, checked_key(key))

    async def modified(self, key: str) -> datetime:
        """When the bytes under `key` were written; raises UnknownFile."""
        return await asyncio.to_thread(self._modified, checked_key(key))

    async def path(self, key: str) -> Path:
        """The file itself, to be read only; raises UnknownFile."""
        await self.modified(key)
        return self._root / key

    async def keys(self, prefix: str = "") -> AsyncIterator[str]:
        """Every key that starts with `prefix`, folder by folder."""
        # A prefix may end inside a name: the walk begins at the last whole folder it names.
        pending = [prefix.rpartition("/")[0]]
        if pending[0]:
            checked_key(pending[0])
        while pending:
            folders, files = await asyncio.to_thread(self._entries, pending.pop())
            pending.extend(folder for folder in folders if folder.startswith(prefix) or prefix.startswith(f"{folder}/"))
            for key in files:
                if key.startswith(prefix):
                    yield key

    def _put(self, key: str, content: bytes) -> None:
        with _typed_errors():
            self._settle(self._write_partial(content), key)

    def _put_file(self, key: str, file: Path) -> None:
        with _typed_errors():
            partial = self._write_partial(b"")
            _take_over(file, partial)
            self._settle(partial, key)

    def _settle(self, partial: Path, key: str) -> None:
        """Give the finished file its name as a key."""
        try:
            self._move(partial, self._root / key)
        except BaseException:
            partial.unlink(missing_ok=True)
            raise

    def _write_partial(self, content: bytes) -> Path:
        """A new file beside the store with `content` on disk, its name not yet a key."""
        folder = self._root / _PARTIAL
        folder.mkdir(parents=True, exist_ok=True)
        self._sweep_once(folder)
        descriptor, name = tempfile.mkstemp(dir=folder)
        try:
            with open(descriptor, "wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
        except BaseException:
            Path(name).unlink(missing_ok=True)
            raise
        return Path(name)

    def _move(self, partial: Path, target: Path) -> None:
        for attempt in range(_MOVE_ATTEMPTS):
            try:
                target.parent.mkdir(parents=True, exist_ok=True)
                os.replace(partial, target)
                break
            except FileNotFoundError:
                # A delete may have removed the folder just when it was empty.
                if attempt == _MOVE_ATTEMPTS - 1:
                    raise
        # Up to the root each time: a folder that stands may have been made a moment ago by a put not yet finished.
        for folder in (target.parent, *target.parent.parents):
            _sync_folder(folder)
            if folder == self._root.parent:
                break

    def _sweep_once(self, folder: Path) -> None:
        if not self._swept:
            self._swept = True
            remove_leftovers(folder, _LEFTOVER_SECONDS)

    def _get(self, key: str) -> bytes:
        with _typed_errors():
            try:
                return (self._root / key).read_bytes()
            except _ABSENT:
                raise UnknownFile from None

    def _modified(self, key: str) -> datetime:
        with _typed_errors():
            try:
                status = (self._root / key).stat()
            except _ABSENT:
                raise UnknownFile from None
        if not stat.S_ISREG(status.st_mode):
            raise UnknownFile
        return datetime.fromtimestamp(status.st_mtime, UTC)

    def _delete(self, key: str) -> None:
        path = self._root / key
        with _typed_errors():
            try:
                path.unlink()
            except _ABSENT:
                return
            folder = path.parent
            while folder != self._root and _remove_if_empty(folder):
                folder = folder.parent
            _sync_folder(folder)

    def _entries(self, folder: str) -> tuple[list[str], list[str]]:
        """Keys of the folders and of the files that lie directly in `folder` ("" is the root)."""
        folders: list[str] = []
        files: list[str] = []
        with _typed_errors():
            try:
                entries = list(os.scandir(self._root / folder))
            except _ABSENT:
                return [], []
        for entry in entries:
            if entry.name.startswith("."):
                continue
            key = f"{folder}/{entry.name}" if folder else entry.name
            (folders if entry.is_dir(follow_symlinks=False) else files).append(key)
        return folders, files


@contextmanager
def _typed_errors() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise StorageUnavailable(_reason(error)) from error


def _reason(error: OSError) -> str:
    if error.errno in _FULL:
        return "The storage is full; no more files can be kept."
    if error.errno in _REFUSED:
        return "The storage is read-only or its folder belongs to another user."
    return "The storage cannot be read or written."


def _take_over(file: Path, partial: Path) -> None:
    """Make `partial` what `file` is, on disk."""
    partial.unlink()
    try:
        os.link(file, partial)
    except OSError:  # another disk, or one that knows no links
        shutil.copyfile(file, partial)
    with partial.open("rb+") as taken:
        os.fsync(taken.fileno())


def _sync_folder(folder: Path) -> None:
    """Have the names in `folder` written to disk, unless it was removed meanwhile."""
    try:
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    except FileNotFoundError:
        return
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _remove_if_empty(folder: Path) -> bool:
    try:
        folder.rmdir()
    except OSError:
        return False
    return True

"""A folder as a store: durable, whole files only, typed errors."""

import asyncio
import errno
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from fluxhouse.generation.errors import StorageUnavailable, UnknownFile
from fluxhouse.storage import local
from fluxhouse.storage.local import LocalStorage
from fluxhouse.storage.storage import Listing, Storage

WRITE_UNTIL_KILLED = """
import asyncio, sys
from pathlib import Path
from fluxhouse.storage.local import LocalStorage

async def write(storage, worker):
    for number in range(1_000_000):
        key = f"outputs/{worker}-{number}/0.png"
        await storage.put(key, str(number % 10).encode() * 300_000)
        print(key, flush=True)

async def main():
    storage = LocalStorage(Path(sys.argv[1]))
    await asyncio.gather(*(write(storage, worker) for worker in range(3)))

asyncio.run(main())
"""

WRITE_BEYOND_LIMIT = """
import asyncio, resource, sys
from pathlib import Path
from fluxhouse.generation.errors import StorageUnavailable
from fluxhouse.storage.local import LocalStorage

resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
try:
    asyncio.run(LocalStorage(Path(sys.argv[1])).put("files/a", b"x" * 5000))
except StorageUnavailable as error:
    print(error.message)
"""


@pytest.fixture
def storage(tmp_path: Path) -> LocalStorage:
    return LocalStorage(tmp_path / "store")


async def keys_of(storage: Listing, prefix: str = "") -> set[str]:
    return {key async for key in storage.keys(prefix)}


async def contents_of(storage: LocalStorage) -> dict[str, bytes]:
    return {key: await storage.get(key) async for key in storage.keys("")}


def partials(root: Path) -> list[Path]:
    return list((root / ".partial").iterdir())


async def test_bytes_come_back_as_they_went_in(storage: LocalStorage) -> None:
    """What is put can be read and opened as a file."""
    await storage.put("outputs/j/0.png", b"picture")
    assert await storage.get("outputs/j/0.png") == b"picture"
    assert (await storage.path("outputs/j/0.png")).read_bytes() == b"picture"


async def test_put_replaces(storage: LocalStorage, tmp_path: Path) -> None:
    """A second put under the same key replaces the bytes and leaves nothing else behind."""
    await storage.put("files/a", b"one")
    await storage.put("files/a", b"")
    assert await storage.get("files/a") == b""
    assert partials(tmp_path / "store") == []


@pytest.mark.parametrize("key", ["files/none", "files", "files/a/deeper", "../store/files/a", "/files/a", ".partial"])
async def test_what_is_not_there_is_unknown(storage: LocalStorage, key: str) -> None:
    """A missing key, a folder, a path through a file and a malformed key are all unknown files."""
    await storage.put("files/a", b"x")
    for read in (storage.get, storage.modified, storage.path):
        with pytest.raises(UnknownFile):
            await read(key)


async def test_delete_is_idempotent_and_leaves_no_empty_folder(storage: LocalStorage, tmp_path: Path) -> None:
    """Deleting twice is no error, and the last file of a folder takes the folder with it."""
    keeper: Storage = storage
    await keeper.put("outputs/j/0.png", b"x")
    await keeper.put("outputs/k/0.png", b"x")
    await keeper.delete("outputs/j/0.png")
    await keeper.delete("outputs/j/0.png")
    await keeper.delete("outputs/k")
    assert await keys_of(storage) == {"outputs/k/0.png"}
    assert not (tmp_path / "store" / "outputs" / "j").exists()


async def test_keys_by_prefix(storage: LocalStorage) -> None:
    """Any prefix selects the keys that begin with it, also one that ends inside a name."""
    keys = {"files/a", "outputs/job1/0.png", "outputs/job1/1.png", "outputs/job12/0.png", "outputs/x", "top"}
    for key in keys:
        await storage.put(key, b"x")
    for prefix in (
        "",
        "f",
        "files",
        "files/",
        "files/a",
        "outputs/job1",
        "outputs/job1/",
        "outputs/job1/1",
        "none/",
        "t",
    ):
        assert await keys_of(storage, prefix) == {key for key in keys if key.startswith(prefix)}, prefix


async def test_keys_of_a_store_not_yet_written(storage: LocalStorage) -> None:
    """A store whose folder does not exist yet holds nothing."""
    assert await keys_of(storage) == set()


async def test_keys_refuses_to_leave_the_store(storage: LocalStorage) -> None:
    """A prefix cannot lead out of the folder."""
    with pytest.raises(UnknownFile):
        await keys_of(storage, "../../")


async def test_leftovers_of_a_crash_are_no_files_and_go_away(storage: LocalStorage, tmp_path: Path) -> None:
    """A half-written file is never listed; an old one is removed, one that may still be written stays."""
    folder = tmp_path / "store" / ".partial"
    folder.mkdir(parents=True)
    (folder / "old").write_bytes(b"half")
    (folder / "new").write_bytes(b"half")
    yesterday = time.time() - 86_400
    os.utime(folder / "old", (yesterday, yesterday))
    assert await keys_of(storage) == set()
    await storage.put("files/a", b"x")
    assert await keys_of(storage) == {"files/a"}
    assert [path.name for path in partials(tmp_path / "store")] == ["new"]


def test_a_killed_writer_leaves_only_whole_files(tmp_path: Path) -> None:
    """After kill -9, every put that returned is there and every listed file is complete."""
    root = tmp_path / "store"
    with subprocess.Popen(
        [sys.executable, "-c", WRITE_UNTIL_KILLED, str(root)], stdout=subprocess.PIPE, text=True
    ) as writer:
        assert writer.stdout is not None
        returned = {writer.stdout.readline().strip() for _ in range(25)}
        writer.kill()
        returned |= {line.strip() for line in writer.stdout if line.endswith("\n")}
    contents = asyncio.run(contents_of(LocalStorage(root)))
    assert returned <= contents.keys()
    assert all(len(content) == 300_000 and len(set(content)) == 1 for content in contents.values())


async def test_readers_beside_writers_and_deleters_see_whole_files(storage: LocalStorage) -> None:
    """Under concurrent puts and deletes of one key, a reader gets one version whole or none."""
    versions = [bytes([number]) * 50_000 for number in range(20)]

    async def read() -> None:
        for _ in range(20):
            try:
                assert await storage.get("outputs/j/0.png") in versions
            except UnknownFile:
                await asyncio.sleep(0)

    puts = [storage.put("outputs/j/0.png", version) for version in versions]
    deletes = [storage.delete("outputs/j/0.png") for _ in range(20)]
    await asyncio.gather(*puts, *deletes, read(), read())
    await storage.put("outputs/j/0.png", b"last")
    assert await storage.get("outputs/j/0.png") == b"last"


def test_a_full_store_is_a_typed_error(tmp_path: Path) -> None:
    """Where the system refuses more bytes, put says that the storage is full and leaves no part of the file."""
    root = tmp_path / "store"
    ended = subprocess.run(
        [sys.executable, "-c", WRITE_BEYOND_LIMIT, str(root)], capture_output=True, text=True, check=True
    )
    assert ended.stdout == "The storage is full; no more files can be kept.\n"
    assert partials(root) == []
    assert not (root / "files").exists()


async def test_a_folder_that_cannot_be_made_is_a_typed_error(tmp_path: Path) -> None:
    """Where no folder can be, put and delete name the storage, not the system call."""
    (tmp_path / "file").write_bytes(b"")
    storage = LocalStorage(tmp_path / "file")
    with pytest.raises(StorageUnavailable) as caught:
        await storage.put("files/a", b"x")
    assert str(tmp_path) not in caught.value.message


@pytest.mark.parametrize(
    ("number", "words"),
    [
        (errno.ENOSPC, "full"),
        (errno.EDQUOT, "full"),
        (errno.EROFS, "read-only"),
        (errno.EACCES, "read-only"),
        (errno.EIO, "cannot be read"),
    ],
)
def test_the_system_error_decides_the_message(number: int, words: str) -> None:
    """Full, read-only and broken disks are told apart."""
    with pytest.raises(StorageUnavailable, match=words), local._typed_errors():
        raise OSError(number, os.strerror(number))

"""What every store does alike, whichever it is."""

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fluxhouse.generation.errors import UnknownFile
from fluxhouse.storage.local import LocalStorage
from fluxhouse.storage.opening import Store
from fluxhouse.storage.s3 import S3Storage

MALFORMED = [
    "",
    "/files/a",
    "../store/files/a",
    "files/../a",
    ".partial",
    "files/.a",
    "files//a",
    "files/a/",
    "ä",
    "a b",
]


@pytest.fixture(params=["folder", "bucket", "part of a bucket"])
def storage(request: pytest.FixtureRequest, tmp_path: Path) -> Store:
    if request.param == "folder":
        return LocalStorage(tmp_path / "store")
    new_bucket: Callable[[], str] = request.getfixturevalue("new_bucket")
    prefix = "/some/part" if request.param != "bucket" else ""
    endpoint = request.getfixturevalue("s3_endpoint")
    return S3Storage(f"s3://{new_bucket()}{prefix}?endpoint={endpoint}", tmp_path / "cache")


async def keys_of(storage: Store, prefix: str = "") -> list[str]:
    return sorted([key async for key in storage.keys(prefix)])


class TestEveryStore:
    """Storage and Listing, over a folder, a bucket and a part of a bucket."""

    async def test_bytes_come_back_as_they_went_in(self, storage: Store) -> None:
        """What is put can be read, dated and opened as a file."""
        await storage.put("outputs/j/0.png", b"picture")
        assert await storage.get("outputs/j/0.png") == b"picture"
        assert abs(datetime.now(UTC) - await storage.modified("outputs/j/0.png")) < timedelta(minutes=1)
        path = await storage.path("outputs/j/0.png")
        assert (path.read_bytes(), path.suffix) == (b"picture", ".png")

    @pytest.mark.parametrize("size", [0, 1, 5 << 20, (5 << 20) + 1, 12_345_678])
    async def test_any_size_is_kept(self, storage: Store, size: int) -> None:
        """Nothing, one byte, and what needs one part or several come back whole, in both ways."""
        content = bytes(range(256)) * (size // 256) + bytes(size % 256)
        await storage.put("files/a", content)
        assert await storage.get("files/a") == content
        assert (await storage.path("files/a")).read_bytes() == content

    async def test_a_file_is_kept_as_bytes_are(self, storage: Store, tmp_path: Path) -> None:
        """Of any length, whole, replacing what was there; the file itself may go afterwards."""
        for size in (0, 12_345_678):
            file = tmp_path / "draft"
            file.write_bytes(bytes(range(256)) * (size // 256))
            await storage.put_file("loras/a.safetensors", file)
            file.unlink()
            content = await storage.get("loras/a.safetensors")
            assert content == bytes(range(256)) * (size // 256)
            assert (await storage.path("loras/a.safetensors")).read_bytes() == content
        assert await keys_of(storage) == ["loras/a.safetensors"]

    async def test_put_replaces(self, storage: Store) -> None:
        """After a second put under the same key, every way to read gives the new bytes."""
        for content in (b"one", b"", b"three", b"seven"):
            await storage.put("files/a", content)
            assert await storage.get("files/a") == content
            assert (await storage.path("files/a")).read_bytes() == content
        assert await keys_of(storage) == ["files/a"]

    @pytest.mark.parametrize("key", ["files/none", "files", "files/a/deeper", "file", "files/a.png", *MALFORMED])
    async def test_what_is_not_there_is_unknown(self, storage: Store, key: str) -> None:
        """A missing key, a folder, a path through a file and a malformed key are all unknown files."""
        await storage.put("files/a", b"x")
        for read in (storage.get, storage.modified, storage.path):
            with pytest.raises(UnknownFile):
                await read(key)

    @pytest.mark.parametrize("key", MALFORMED)
    async def test_malformed_keys_are_not_written_to(self, storage: Store, key: str) -> None:
        """Put and delete refuse what is no key, and nothing comes of it."""
        with pytest.raises(UnknownFile):
            await storage.put(key, b"x")
        with pytest.raises(UnknownFile):
            await storage.delete(key)
        assert await keys_of(storage) == []

    async def test_delete_is_idempotent(self, storage: Store) -> None:
        """Deleting takes one file, deleting again or a folder's name is no error, and its path is unknown from then."""
        for key in ("outputs/j/0.png", "outputs/k/0.png"):
            await storage.put(key, b"x")
            await storage.path(key)
        for key in ("outputs/j/0.png", "outputs/j/0.png", "outputs/k"):
            await storage.delete(key)
        assert await keys_of(storage) == ["outputs/k/0.png"]
        for read in (storage.get, storage.modified, storage.path):
            with pytest.raises(UnknownFile):
                await read("outputs/j/0.png")
        assert await storage.get("outputs/k/0.png") == b"x"

    async def test_keys_by_prefix(self, storage: Store) -> None:
        """Any prefix selects the keys that begin with it, also one that ends inside a name."""
        keys = {"files/a", "outputs/job1/0.png", "outputs/job1/1.png", "outputs/job12/0.png", "outputs/x", "top", "o"}
        for key in keys:
            await storage.put(key, b"x")
        prefixes = ["", "f", "files", "files/", "files/a", "outputs/job1", "outputs/job1/", "outputs/job1/1", "none/"]
        for prefix in [*prefixes, "t", "o", "outputs/x", "outputs/job1/1.png", "some", "part"]:
            assert await keys_of(storage, prefix) == sorted(key for key in keys if key.startswith(prefix)), prefix

    async def test_an_empty_store_holds_nothing(self, storage: Store) -> None:
        """A store that was never written to lists no key and forgets any."""
        assert await keys_of(storage) == []
        await storage.delete("files/a")

    async def test_keys_refuses_to_leave_the_store(self, storage: Store) -> None:
        """A prefix cannot lead elsewhere."""
        for prefix in ("../../", "a/../b/", ".partial/"):
            with pytest.raises(UnknownFile):
                await keys_of(storage, prefix)

    async def test_concurrent_puts_of_one_key_leave_one_of_them_whole(self, storage: Store) -> None:
        """Under puts at the same time, small ones and ones in parts, every read gives one of them whole or none."""
        versions = [bytes([number]) * (6 << 20 if number % 4 == 0 else 50_000) for number in range(8)]

        async def read() -> None:
            for _ in range(6):
                try:
                    assert await storage.get("outputs/j/0.png") in versions
                    assert (await storage.path("outputs/j/0.png")).read_bytes() in versions
                except UnknownFile:
                    await asyncio.sleep(0.01)

        await asyncio.gather(*(storage.put("outputs/j/0.png", version) for version in versions), read(), read())
        assert await storage.get("outputs/j/0.png") in versions
        assert await keys_of(storage) == ["outputs/j/0.png"]

    @settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
    @given(
        key=st.from_regex(r"[A-Za-z0-9_-][A-Za-z0-9._-]{0,20}(/[A-Za-z0-9_-][A-Za-z0-9._-]{0,20}){1,3}", fullmatch=True)
    )
    async def test_any_key_is_a_name(self, storage: Store, key: str) -> None:
        """Whatever the key rules allow comes back under that very name."""
        await storage.put(key, key.encode())
        assert await storage.get(key) == key.encode()
        assert key in await keys_of(storage, key)
        await storage.delete(key)

"""The shelf: bytes and rows of LoRA files come and go together, through crashes too."""

import asyncio
import os
from datetime import timedelta

import pytest

from fluxhouse.core import loras, shelf
from fluxhouse.core.loras import LoraFile
from fluxhouse.core.shelf import Shelf
from fluxhouse.generation.errors import StorageUnavailable
from fluxhouse.storage.local import LocalStorage


@pytest.fixture
def store(tmp_path):
    return Slow(tmp_path / "store")


class Slow(LocalStorage):
    """A store whose deletions and puts wait for a word."""

    def __init__(self, folder):
        super().__init__(folder)
        self.deletes, self.puts = asyncio.Event(), asyncio.Event()
        self.asked = []
        self.deletes.set()
        self.puts.set()

    async def delete(self, key):
        self.asked.append(key)
        await self.deletes.wait()
        await super().delete(key)

    async def put_file(self, key, file):
        await super().put_file(key, file)
        await self.puts.wait()


@pytest.fixture
def on_shelf(live, store):
    return Shelf(live.database, store, 100)


@pytest.fixture
def draft(tmp_path):
    path = tmp_path / "draft"
    path.write_bytes(b"weights")
    return path


def file(name="a", size=60):
    return LoraFile(name * 64, size, "peft", 0)


async def keys_of(store):
    return [key async for key in store.keys("loras/")]


async def test_a_file_is_kept_once(live, on_shelf, store, draft):
    """A second one of the same content costs nothing, and its draft is not looked at."""
    await on_shelf.keep(file(), draft, live.now())
    draft.unlink()
    await on_shelf.keep(file(), draft, live.now())
    assert await store.get(file().key) == b"weights"
    assert await keys_of(store) == [file().key]


async def test_what_is_too_much_goes_with_its_bytes(live, on_shelf, store, draft):
    """And comes back when it is wanted again."""
    await on_shelf.keep(file("a"), draft, live.now())
    live.do(loras.found_at, "place", file("a"), live.now())
    live.clock.advance(seconds=1)
    await on_shelf.keep(file("b"), draft, live.now())
    live.do(loras.found_at, "other", file("b"), live.now())
    with pytest.raises(StorageUnavailable, match="taken by those in use"):
        await on_shelf.make_room(live.now())
    live.clock.advance(hours=1)
    await on_shelf.make_room(live.now())
    assert await keys_of(store) == [file("b").key]
    await on_shelf.keep(file("a"), draft, live.now())
    assert len(await keys_of(store)) == 2


async def test_content_that_is_just_being_removed_is_waited_for(live, on_shelf, store, draft, monkeypatch):
    """Bytes are never put where another process is about to delete them."""
    await on_shelf.keep(file(), draft, live.now())
    live.clock.advance(hours=1)
    live.do(loras.dismiss, 0, live.now())
    again = asyncio.create_task(on_shelf.keep(file(), draft, live.now()))
    await asyncio.sleep(0.15)
    assert not again.done()
    await store.delete(file().key)
    live.do(loras.forget, file().sha256, live.now())
    await again
    assert await store.get(file().key) == b"weights"
    live.clock.advance(hours=1)
    live.do(loras.dismiss, 0, live.now())
    monkeypatch.setattr(shelf, "_LEAVING_SECONDS", 0.1)
    with pytest.raises(StorageUnavailable, match="just being removed"):
        await on_shelf.keep(file(), draft, live.now())
    live.clock.advance(hours=1)
    await on_shelf.clear(live.now())
    assert await keys_of(store) == []


async def test_bytes_without_a_row_go_once_they_are_old(live, on_shelf, store, draft, tmp_path):
    """What a crash left between bytes and row; a known file and a young one stay."""
    await on_shelf.keep(file("a"), draft, live.now())
    for name in ("b", "c"):
        await store.put(file(name).key, b"weights")
    for name, age in (("a", 2), ("b", 2), ("c", 0)):
        then = (live.now() - timedelta(days=age)).timestamp()
        path = tmp_path / "store" / file(name).key
        os.utime(path, (then, then))
    await on_shelf.clear_orphans(live.now())
    assert sorted(await keys_of(store)) == [file("a").key, file("c").key]


async def test_two_who_make_room_at_once_delete_a_file_once(live, on_shelf, store, draft):
    """In one process or in two: content that is brought again meanwhile keeps its bytes."""
    for name in ("a", "b"):
        await on_shelf.keep(file(name), draft, live.now())
        live.do(loras.found_at, name, file(name), live.now())
        live.clock.advance(seconds=1)
    live.clock.advance(hours=1)
    store.deletes.clear()
    elsewhere = Shelf(live.database, store, 100)
    makings = (on_shelf.make_room, on_shelf.make_room, elsewhere.make_room, elsewhere.clear)
    makers = [asyncio.create_task(making(live.now())) for making in makings]
    while not store.asked:  # noqa: ASYNC110
        await asyncio.sleep(0.01)
    again = asyncio.create_task(on_shelf.keep(file("a"), draft, live.now()))
    await asyncio.sleep(0.15)
    store.deletes.set()
    await asyncio.gather(*makers, again)
    assert store.asked == [file("a").key]
    assert await store.get(file("a").key) == b"weights"
    assert live.do(loras.use, file("a").sha256, live.now()) == file("a")
    assert live.do(loras.use, file("b").sha256, live.now()) == file("b")


async def test_a_removal_that_was_taken_over_deletes_nothing(live, on_shelf, store, draft):
    """Who comes to a file so late that another has removed it, and a third brought it again, leaves it alone."""
    for name in ("a", "b"):
        await on_shelf.keep(file(name), draft, live.now())
    live.clock.advance(hours=1)
    store.deletes.clear()
    late = asyncio.create_task(on_shelf.clear(live.now()))  # waits with the first, its second not yet begun
    await asyncio.sleep(0.15)
    assert len(store.asked) == 1
    begun, other = store.asked[0], {file("a").key, file("b").key} - set(store.asked)
    live.clock.advance(hours=1)
    quick = LocalStorage(store._root)
    elsewhere = Shelf(live.database, quick, 100)
    await elsewhere.clear(live.now())
    for name in ("a", "b"):
        await elsewhere.keep(file(name), draft, live.now())
    store.deletes.set()
    await late
    assert store.asked == [begun]
    assert await quick.get(other.pop()) == b"weights"


async def test_bytes_that_a_removal_took_are_put_again(live, on_shelf, store, draft):
    """Where old bytes without a row were cleared away between the new ones and their row."""
    store.puts.clear()
    again = asyncio.create_task(on_shelf.keep(file(), draft, live.now()))
    while await keys_of(store) == []:  # noqa: ASYNC110
        await asyncio.sleep(0.01)
    assert live.do(loras.claim, file().sha256, live.now())
    store.puts.set()
    await asyncio.sleep(0.15)
    assert not again.done()
    await store.delete(file().key)
    live.do(loras.forget, file().sha256, live.now())
    await again
    assert await store.get(file().key) == b"weights"
    assert live.do(loras.use, file().sha256, live.now()) == file()


async def test_a_file_that_lost_its_bytes_is_mended_by_the_next_of_its_content(live, on_shelf, store, draft):
    """A row alone is not believed."""
    await on_shelf.keep(file(), draft, live.now())
    await store.delete(file().key)
    await on_shelf.keep(file(), draft, live.now())
    assert await store.get(file().key) == b"weights"

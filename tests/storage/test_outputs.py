"""Where the bytes of a job's images lie, and how all of them go."""

from __future__ import annotations

from pathlib import Path

from fluxhouse.storage.local import LocalStorage
from fluxhouse.storage.outputs import key_of, remove_all

MINE, OTHER = "a" * 32, "b" * 32


async def test_all_of_a_jobs_images_go_and_no_others(tmp_path: Path) -> None:
    """Also an image that no row lists is removed; another job's stay."""
    store = LocalStorage(tmp_path)
    kept = key_of(OTHER, 0, "image/png")
    for key in (key_of(MINE, 0, "image/png"), key_of(MINE, 3, "image/jpeg"), kept):
        await store.put(key, b"picture")

    await remove_all(store, MINE)
    await remove_all(store, MINE)

    assert [key async for key in store.keys("outputs/")] == [kept]


def test_an_image_has_one_key_in_every_attempt() -> None:
    """The key depends on job, index and format alone."""
    assert key_of(MINE, 1, "image/webp") == f"outputs/{MINE}/1.webp"

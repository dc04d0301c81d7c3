"""Examples in the store."""

import pytest

from fluxhouse.console.examples import Example, example_file, examples_of, keep_examples
from fluxhouse.generation.errors import UnknownFile
from fluxhouse.storage.local import LocalStorage

EXAMPLE = Example({"prompt": "it's ü"}, "0.png", 64, 48, "1", 2.0, "card", "2026-01-02", {"mask": "0-mask.png"})


async def test_examples_are_kept_in_place_of_those_before(tmp_path):
    """None at first; then as they were given."""
    storage = LocalStorage(tmp_path)
    assert list(await examples_of(storage, "flux-dev")) == []
    await keep_examples(storage, "flux-dev", [EXAMPLE, EXAMPLE], {"0.png": b"old", "0-mask.png": b"mask"})
    await keep_examples(storage, "flux-dev", [EXAMPLE], {"0.png": b"new"})
    assert list(await examples_of(storage, "flux-dev")) == [EXAMPLE]
    assert await example_file(storage, "flux-dev", "0.png") == (b"new", "image/png")
    for name in ("1.png", "../flux-dev.json", "0.html"):
        with pytest.raises(UnknownFile):
            await example_file(storage, "flux-dev", name)

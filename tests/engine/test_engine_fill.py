"""The engine repaints what a mask covers and keeps the rest, with any weights."""

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from fluxhouse.engine.engine import Engine
from fluxhouse.generation.image import MadeImage
from fluxhouse.generation.request import GenerationRequest, Task

pytestmark = pytest.mark.asyncio(loop_scope="session")

REQUEST = GenerationRequest(
    model="flux-dev",
    prompt="a yellow sun",
    width=256,
    height=128,
    seed=3,
    task=Task.FILL,
    inputs=("picture", "mask"),
    tolerance=None,
)


async def test_only_what_is_white_is_repainted(engine: Engine, tmp_path: Path) -> None:
    """The built-in model reads no mask: black stays the picture's, white becomes another, repeatably."""
    Image.new("RGB", (256, 128), (20, 60, 200)).save(tmp_path / "blue.png")
    mask = Image.new("L", (256, 128), 0)
    mask.paste(255, (128, 0, 256, 128))
    mask.save(tmp_path / "right.png")
    inputs = (tmp_path / "blue.png", tmp_path / "right.png")
    made = [[event async for event in engine.generate(REQUEST, inputs)] for _ in range(2)]
    first, second = (next(event for event in events if isinstance(event, MadeImage)) for events in made)
    assert first.content == second.content
    pixels = np.asarray(Image.open(io.BytesIO(first.content))).astype(float)
    away = np.abs(pixels - (20, 60, 200)).mean(axis=2)
    # The outermost pixels are soft: the built-in VAE averages over its edge.
    assert away[24:-24, 24:96].mean() < 12
    assert away[24:-24, 160:-24].mean() > 40

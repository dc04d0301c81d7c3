"""A reader is fitted to painted pictures from nothing."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from fluxhouse.builtin.painter.paint import paint
from fluxhouse.builtin.painter.scene import Landscape
from fluxhouse.builtin.reader_fitting import fit, landscape
from fluxhouse.builtin.reader_scenes import SceneReader


@pytest.mark.long
def test_some_hundred_pictures_are_enough_to_see_by(tmp_path: Path) -> None:
    """Fitted to 400 pictures it reads most styles and terrains of others, and its file as well."""
    reader = fit(400, seed=1)
    reader.save(tmp_path / "reader.npz")
    rng = np.random.default_rng(2)
    scenes = [landscape(rng) for _ in range(60)]
    seen = [SceneReader.load(tmp_path / "reader.npz").read(paint(scene, 256, 256)) for scene in scenes]
    views = [scene.subject for scene in scenes if isinstance(scene.subject, Landscape)]
    assert np.mean([one.style is scene.style for one, scene in zip(seen, scenes, strict=True)]) > 0.85
    assert np.mean([one.terrain is view.terrain for one, view in zip(seen, views, strict=True)]) > 0.6

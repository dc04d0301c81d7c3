"""Scenes are plain values that JSON can hold."""

from __future__ import annotations

import json

import numpy as np
import pytest

from fluxhouse.builtin.painter.sampling import Stage, sample_scene
from fluxhouse.builtin.painter.scene import as_json, from_json


def test_a_scene_comes_back_from_json() -> None:
    """Written to text and read again it is the same scene."""
    rng = np.random.default_rng(1)
    for _ in range(200):
        scene = sample_scene(rng, Stage.FULL)
        assert from_json(json.loads(json.dumps(as_json(scene)))) == scene


@pytest.mark.parametrize(
    "change", [{"style": "oil"}, {"subject": {"background": "mauve", "shapes": []}}, {"subject": {"time": "dusk"}}]
)
def test_what_is_no_scene_is_refused(change: dict[str, object]) -> None:
    """An unknown word or a missing one raises."""
    written = as_json(sample_scene(np.random.default_rng(1), Stage.SHAPE))
    with pytest.raises((KeyError, ValueError)):
        from_json(written | change)

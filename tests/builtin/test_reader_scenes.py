"""The shipped reader names what painted landscapes show."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from fluxhouse.builtin.captions import TIMELESS
from fluxhouse.builtin.painter.paint import paint
from fluxhouse.builtin.painter.scene import Landscape, Scene
from fluxhouse.builtin.reader_fitting import landscape
from fluxhouse.builtin.reader_scenes import SceneReader, View


@pytest.fixture(scope="module")
def read() -> list[tuple[Scene, Landscape, View]]:
    """Ninety landscapes that the reader was not fitted to, and what it reads."""
    reader, rng = SceneReader.load(), np.random.default_rng(99)
    scenes = [landscape(rng) for _ in range(90)]
    return [
        (scene, scene.subject, reader.read(paint(scene, 256, 256)))
        for scene in scenes
        if isinstance(scene.subject, Landscape)
    ]


def test_style_terrain_and_time_are_read(read: list[tuple[Scene, Landscape, View]]) -> None:
    """At least 93 of 100 each; the time where the style shows it."""
    assert np.mean([seen.style is scene.style for scene, _, seen in read]) >= 0.93
    assert np.mean([seen.terrain is view.terrain for _, view, seen in read]) >= 0.93
    timed = [seen.time is view.time for scene, view, seen in read if scene.style not in TIMELESS]
    assert np.mean(timed) >= 0.93


def test_what_stands_there_is_read(read: list[tuple[Scene, Landscape, View]]) -> None:
    """At least 93 of 100 landmarks, each on its side, and hardly one that is not there."""
    asked = sum(len(view.landmarks) for _, view, _ in read)
    right = sum(len(set(view.landmarks) & set(seen.landmarks)) for _, view, seen in read)
    invented = sum(len(set(seen.landmarks) - set(view.landmarks)) for _, view, seen in read)
    assert right / asked >= 0.93
    assert invented / len(read) <= 0.07


def test_a_reader_comes_back_from_its_file(tmp_path: Path, read: list[tuple[Scene, Landscape, View]]) -> None:
    """Saved and loaded again it reads the same."""
    SceneReader.load().save(tmp_path / "again.npz")
    again = SceneReader.load(tmp_path / "again.npz")
    for scene, _, seen in read[:5]:
        assert again.read(paint(scene, 256, 256)) == seen

"""Sheets of painted scenes and edits, to look at what the model learns from."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from fluxhouse.builtin.captions import caption
from fluxhouse.builtin.painter.edits import sample_edit
from fluxhouse.builtin.painter.paint import paint
from fluxhouse.builtin.painter.sampling import Stage, sample_scene

Picture = NDArray[np.uint8]
Drawn = list[tuple[str, list[Picture]]]
_GAP = 4


def draw(stage: str, count: int, seed: int, size: int) -> Drawn:
    """So many scenes of a stage, each with its caption; raises `ValueError` for another stage."""
    rng = np.random.default_rng(seed)
    scenes = [sample_scene(rng, Stage(stage)) for _ in range(count)]
    return [(caption(scene, rng), [paint(scene, size, size)]) for scene in scenes]


def draw_edits(count: int, seed: int, size: int) -> Drawn:
    """So many edits, each with its instruction and the pictures before and after it."""
    rng = np.random.default_rng(seed)
    edits = [sample_edit(rng) for _ in range(count)]
    return [(edit.instruction, [paint(scene, size, size) for scene in (edit.before, edit.after)]) for edit in edits]


def compose(rows: Sequence[Sequence[Picture]]) -> Image.Image:
    """One picture of all, about as wide as it is tall; pictures of a row stay side by side."""
    height, width = rows[0][0].shape[:2]
    group = len(rows[0])
    columns = max(round(math.sqrt(len(rows) / group)), 1)
    across, down = columns * group * (width + _GAP), -(-len(rows) // columns) * (height + _GAP)
    sheet = Image.new("RGB", (across - _GAP, down - _GAP), "white")
    for number, row in enumerate(rows):
        for offset, picture in enumerate(row):
            x = (number % columns * group + offset) * (width + _GAP)
            sheet.paste(Image.fromarray(picture), (x, number // columns * (height + _GAP)))
    return sheet

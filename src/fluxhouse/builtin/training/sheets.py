"""Contact sheets and the curve of losses, as PNG files to look at while a model is trained."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

Pixels = NDArray[np.uint8]
_LINE = 14
_GAP = 4


def write_sheet(path: Path, rows: Sequence[tuple[str, Sequence[Pixels]]]) -> None:
    """Rows of pictures [h, w, 3] of one size, each under its words."""
    height, width = rows[0][1][0].shape[:2]
    columns = max(len(pictures) for _, pictures in rows)
    tall = height + _LINE + _GAP
    sheet = Image.new("RGB", (columns * (width + _GAP), len(rows) * tall), "white")
    pen = ImageDraw.Draw(sheet)
    for row, (words, pictures) in enumerate(rows):
        pen.text((2, row * tall), words, fill="black")
        for column, picture in enumerate(pictures):
            sheet.paste(Image.fromarray(picture), (column * (width + _GAP), row * tall + _LINE))
    _save(sheet, path)


def write_curve(path: Path, losses: Sequence[float]) -> None:
    """The losses from first to last, averaged to at most 640 points, on a logarithmic scale."""
    values = np.log(np.maximum(np.array([part.mean() for part in np.array_split(losses, min(640, len(losses)))]), 1e-9))
    low, high = float(values.min()), float(values.max())
    sheet = Image.new("RGB", (640, 240), "white")
    pen = ImageDraw.Draw(sheet)
    across = np.linspace(0, 639, len(values))
    down = 225 - 205 * (values - low) / max(high - low, 1e-9)
    pen.line([(float(x), float(y)) for x, y in zip(across, down, strict=True)], fill="black", width=2)
    pen.text((4, 2), f"{np.exp(high):.4g}", fill="grey")
    pen.text((4, 226), f"{np.exp(low):.4g}", fill="grey")
    _save(sheet, path)


def _save(sheet: Image.Image, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    sheet.save(path)

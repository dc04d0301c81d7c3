"""A sheet shows each picture that was drawn."""

from __future__ import annotations

import numpy as np

from fluxhouse.builtin.painter_sheet import compose, draw, draw_edits


def test_scenes_come_with_their_captions() -> None:
    """As many as asked for, the same for the same seed, in the size asked for."""
    drawn = draw("full", 5, 1, 32)
    assert len(drawn) == 5
    assert all(words and len(pictures) == 1 and pictures[0].shape == (32, 32, 3) for words, pictures in drawn)
    assert [words for words, _ in draw("full", 5, 1, 32)] == [words for words, _ in drawn]


def test_edits_show_before_and_after() -> None:
    """Two pictures each, which differ."""
    for words, (before, after) in draw_edits(6, 2, 48):
        assert words
        assert (before != after).any()


def test_pictures_of_a_row_stay_together() -> None:
    """Four pairs of 10 by 10 stand in a grid with white between them."""
    rows = [[np.full((10, 10, 3), 10 * number, np.uint8), np.full((10, 10, 3), 200, np.uint8)] for number in range(4)]
    sheet = np.asarray(compose(rows))
    assert sheet.shape == (4 * 14 - 4, 24, 3) or sheet.shape == (2 * 14 - 4, 52, 3)
    assert tuple(sheet[0, 10]) == (255, 255, 255)
    assert tuple(sheet[0, 14]) == (200, 200, 200)

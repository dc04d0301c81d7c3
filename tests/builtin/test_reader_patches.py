"""Patches are compared by their pattern, and pooled where they lie."""

from __future__ import annotations

import numpy as np

from fluxhouse.builtin.reader_patches import SIDE, Dictionary, colours, learn_filters, patches_of, reduced


def test_brightness_and_contrast_do_not_count() -> None:
    """A picture and a paler one of it have nearly the same patches."""
    picture = np.random.default_rng(1).random((12, 12, 3), dtype=np.float32)
    rows, columns, patches = patches_of(picture, 6, 3)
    assert (rows, columns, patches.shape) == (3, 3, (9, 108))
    paler = patches_of(picture * 0.8 + 0.2, 6, 3)[2]
    assert np.abs(patches - paler).max() < 0.2
    assert np.allclose(patches.mean(1), 0, atol=1e-5)


def test_what_is_learnt_answers_where_it_lies() -> None:
    """Stripes in the upper half alone raise the features of the grid's upper row."""
    rng = np.random.default_rng(2)
    picture = np.full((24, 24, 3), 0.5, np.float32)
    picture[:12, ::2] = 1.0
    dictionary = Dictionary(learn_filters([picture] * 4, 6, 2, 8, rng), 6, 2, (2, 1))
    upper, lower = dictionary.features(picture).reshape(2, 8)
    assert upper.max() > 0.5
    assert lower[upper.argmax()] < 0.5 * upper.max()


def test_every_picture_is_seen_in_one_size() -> None:
    """Whatever its sides, a square; a flat one has its colour in every cell, and its square."""
    small = reduced(np.full((300, 200, 3), 51, np.uint8))
    assert small.shape == (SIDE, SIDE, 3)
    assert np.allclose(colours(small, 4, 4), [0.2] * 48 + [0.04] * 48, atol=1e-4)

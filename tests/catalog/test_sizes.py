"""Pixels of a request: rounding, and fitting the shape of an input image."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fluxhouse.catalog.sizes import fit, round_up

SIDE = st.integers(1, 20_000)


@pytest.mark.parametrize(("side", "rounded"), [(256, 256), (257, 272), (1440, 1440), (1425, 1440)])
def test_a_custom_side_is_rounded_up(side, rounded):
    """To the next multiple of 16, and no further."""
    assert round_up(side) == rounded


@given(SIDE, SIDE)
def test_a_fitted_size_is_about_the_area_on_the_grid(width, height):
    """Whatever the input: multiples of 16, about one megapixel, never thinner than 21:9 by more than the grid."""
    fitted = fit(width, height, 1024 * 1024)
    assert all(side % 16 == 0 for side in fitted)
    assert fitted[0] * fitted[1] == pytest.approx(1024 * 1024, rel=0.03)
    assert max(fitted) / min(fitted) < 2.45


def test_a_square_input_gives_the_square():
    """1:1 stays exactly 1024 by 1024."""
    assert fit(640, 640, 1024 * 1024) == (1024, 1024)

"""OpenAI's fields on their own: sizes, and a form's text as values."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fluxhouse.catalog.catalog import Catalog
from fluxhouse.catalog.parameter import Parameter
from fluxhouse.dialects.openai.fields import pixels, typed
from fluxhouse.generation.errors import InvalidParameter

CATALOG = Catalog.load()


@pytest.mark.parametrize(
    "size", ["1024x1024", "1536x1024", "1024x1536", "256x256", "512x512", "1792x1024", "1024x1792"]
)
def test_every_size_of_openais_own_is_made(size):
    """The standard ones and the older ones."""
    assert pixels(size, CATALOG.model("flux-dev")) == tuple(map(int, size.split("x")))


def test_auto_leaves_the_size_to_the_model():
    """No size is asked for."""
    assert pixels("auto", CATALOG.model("flux-dev")) is None


@pytest.mark.parametrize(
    "size",
    [
        "",
        "1024",
        "1024 x 1024",
        "0x0",
        "1024x1000",
        "2048x2048",
        "240x256",
        "2064x512",
        "256x1024",
        "-256x256",
    ],
)
def test_other_sizes_are_refused(size):
    """With the sizes that are allowed."""
    with pytest.raises(InvalidParameter, match="multiples of 16") as refused:
        pixels(size, CATALOG.model("flux-dev"))
    assert refused.value.field == "size"


def test_a_model_that_only_others_run_has_its_own_sizes():
    """Those of its ratios, which the refusal lists."""
    model = CATALOG.model("flux-kontext-pro")
    assert pixels("1024x1024", model) == (1024, 1024)
    with pytest.raises(InvalidParameter, match="1344x768"):
        pixels("1536x1024", model)


@given(st.integers(0, 5000), st.integers(0, 5000))
def test_a_size_is_obeyed_exactly_or_refused(width, height):
    """Never rounded."""
    try:
        assert pixels(f"{width}x{height}", CATALOG.model("flux-dev")) == (width, height)
    except InvalidParameter:
        assert width % 16 or height % 16 or min(width, height) < 256 or max(width, height) > 1024


@pytest.mark.parametrize(
    ("kind", "text", "value"),
    [
        ("integer", "12", 12),
        ("integer", "1.5", "1.5"),
        ("number", "0.5", 0.5),
        ("boolean", "true", True),
        ("boolean", "False", False),
        ("boolean", "yes", "yes"),
        ("string", "12", "12"),
    ],
)
def test_a_forms_text_becomes_what_it_stands_for(kind, text, value):
    """Or stays text, for the parameter to refuse."""
    assert typed(Parameter(name="x", type=kind), text) == value

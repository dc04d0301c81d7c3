"""The LoRAs of a request: six parameters, one list."""

import pytest

from fluxhouse.catalog.catalog import Catalog
from fluxhouse.catalog.loras import AskedLora
from fluxhouse.generation.errors import InvalidParameter

CATALOG = Catalog.load()


def asked(body, model="flux-dev"):
    return CATALOG.parse(model, {"prompt": "a cat"} | body).loras


def test_all_of_them_are_applied_in_the_order_of_the_table():
    """One of every kind, given in another order."""
    body = {
        "customLoras": ["lora_1", {"id": "lora_2", "scale": 2}, {"url": "https://a.example/b.safetensors"}],
        "lora_weights": "owner/weights",
        "lora_scales": [0.1, 0.2],
        "lora_scale": 0.5,
        "hf_loras": ["owner/one", "owner/two"],
        "hf_lora": "owner/hf/file.safetensors",
    }
    assert asked(body) == (
        AskedLora("hf_lora", "owner/hf/file.safetensors", 0.5),
        AskedLora("hf_loras", "owner/one", 0.1),
        AskedLora("hf_loras", "owner/two", 0.2),
        AskedLora("lora_weights", "owner/weights", 0.5),
        AskedLora("customLoras", "lora_1", 1.0),
        AskedLora("customLoras", "lora_2", 2.0),
        AskedLora("customLoras", "https://a.example/b.safetensors", 1.0),
    )


@pytest.mark.parametrize(
    ("scales", "each"),
    [(None, [0.8, 0.8, 0.8]), ([], [0.8, 0.8, 0.8]), ([0.3], [0.3, 0.3, 0.3]), ([1, 0, -1], [1.0, 0.0, -1.0])],
)
def test_scales_of_several(scales, each):
    """None is 0.8 each, one is for all, as many as LoRAs are one for each."""
    found = asked({"hf_loras": ["a/a", "b/b", "c/c"], "lora_scales": scales})
    assert [lora.scale for lora in found] == each


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"hf_loras": ["a/a", "b/b", "c/c"], "lora_scales": [1, 1]}, "lora_scales"),
        ({"hf_loras": ["a/a"], "lora_scales": [1, 1]}, "lora_scales"),
        ({"lora_scales": [1]}, "lora_scales"),
        ({"lora_scales": [1], "hf_lora": "a/a", "hf_loras": []}, "lora_scales"),
        ({"lora_scale": 0.5}, "lora_scale"),
        ({"lora_scale": 0.5, "hf_loras": ["a/a"], "customLoras": ["lora_1"]}, "lora_scale"),
        ({"lora_scale": 3.5, "hf_lora": "a/a"}, "lora_scale"),
        ({"lora_scales": [-2], "hf_loras": ["a/a"]}, "lora_scales"),
        ({"hf_loras": ["a/a"] * 9}, "hf_loras"),
        ({"hf_lora": "owner"}, "hf_lora"),
        ({"hf_lora": "../../etc/passwd"}, "hf_lora"),
        ({"hf_lora": "owner/../name"}, "hf_lora"),
        ({"lora_weights": "ftp://a.example/b.safetensors"}, "lora_weights"),
        ({"lora_weights": "a/b\n"}, "lora_weights"),
        ({"customLoras": [{"id": "lora_1", "url": "a/b"}]}, "customLoras"),
        ({"customLoras": [{"scale": 1}]}, "customLoras"),
        ({"customLoras": [7]}, "customLoras"),
    ],
)
def test_what_does_not_fit_is_refused_by_name(body, field):
    """Counts, ranges, spellings, and strengths of nothing."""
    with pytest.raises(InvalidParameter) as caught:
        asked(body)
    assert caught.value.field == field


def test_a_strength_that_is_the_default_asks_for_nothing():
    """Clients send every default."""
    assert asked({"lora_scale": 1, "lora_scales": None, "hf_loras": [], "customLoras": []}) == ()


@pytest.mark.parametrize(
    ("model", "fields"),
    [
        ("flux-schnell", ()),
        ("flux-schnell-lora", ("hf_lora", "lora_weights")),
        ("flux-dev-multi-lora", ("hf_loras", "customLoras")),
        ("flux-kontext-pro", ("lora_weights",)),
    ],
)
def test_models_take_the_loras_of_their_page(model, fields):
    """Each field that a model lists works there, and no other does."""
    bodies = {"hf_lora": "a/b", "hf_loras": ["a/b"], "lora_weights": "a/b", "customLoras": ["lora_1"]}
    for field in fields:
        assert len(asked({field: bodies.pop(field)}, model)) == 1
    for field, value in bodies.items():
        with pytest.raises(InvalidParameter) as caught:
            asked({field: value}, model)
        assert caught.value.field == field

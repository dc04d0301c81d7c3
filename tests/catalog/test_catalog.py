"""The shipped catalog: which models it has, what they cost, how they are named."""

from dataclasses import replace

import pytest

from fluxhouse.catalog.catalog import Catalog
from fluxhouse.generation.backend import Serving
from fluxhouse.generation.errors import UnknownModel

CATALOG = Catalog.load()

PRICES = {
    "flux": 1_000_000,
    "flux-schnell": 500_000,
    "flux-dev": 1_000_000,
    "flux-krea-dev": 1_000_000,
    "flux-schnell-lora": 500_000,
    "flux-dev-lora": 1_000_000,
    "flux-dev-single-lora": 1_000_000,
    "flux-dev-multi-lora": 1_000_000,
    "flux-kontext-dev": 1_000_000,
    "flux-kontext-pro": 1_000_000,
    "flux-kontext-max": 2_000_000,
    "flux-pro": 1_000_000,
    "flux-1.1-pro": 1_000_000,
    "flux-1.1-pro-ultra": 1_500_000,
    "flux-fill-dev": 1_000_000,
}


def test_the_catalog_holds_the_fifteen_models_at_their_prices():
    """Every id of the contract is there, and no other, at its price in micro-credits."""
    assert {model.id: model.price_micro for model in CATALOG.models} == PRICES


def test_an_unknown_model_is_refused_by_name():
    """An id that is not in the catalog raises UnknownModel with the field."""
    with pytest.raises(UnknownModel, match="flux-9") as caught:
        CATALOG.model("flux-9")
    assert caught.value.field == "model"


def test_the_family_page_has_the_twenty_parameters_of_the_contract():
    """`flux` has the published names, types and defaults, in the published order, before what was added."""
    published = [
        ("prompt", "string", None),
        ("model", "string", "flux-dev"),
        ("aspect_ratio", "string", "1:1"),
        ("num_outputs", "integer", 1),
        ("seed", "integer", None),
        ("output_format", "string", "png"),
        ("output_quality", "integer", 80),
        ("guidance_scale", "number", None),
        ("num_inference_steps", "integer", None),
        ("prompt_upsampling", "boolean", False),
        ("safety_tolerance", "integer", 5),
        ("width", "integer", None),
        ("height", "integer", None),
        ("megapixels", "string", None),
        ("hf_lora", "string", None),
        ("hf_loras", "array", None),
        ("lora_weights", "string", None),
        ("lora_scale", "number", 1),
        ("lora_scales", "array", None),
        ("customLoras", "array", None),
    ]
    parameters = CATALOG.model("flux").parameters
    assert [(entry.name, entry.type, entry.default) for entry in parameters[:20]] == published
    assert [entry.name for entry in parameters if entry.required] == ["prompt"]


def test_kontext_pro_has_the_parameters_and_ratios_of_its_page():
    """The five published parameters come first, aspect_ratio without a default, and the nine ratios are exact."""
    model = CATALOG.model("flux-kontext-pro")
    published = [("prompt", None), ("model", None), ("aspect_ratio", None), ("num_outputs", 1), ("seed", None)]
    assert [(entry.name, entry.default) for entry in model.parameters[:5]] == published
    added = {"input_image", "image_url", "lora_weights", "lora_scale", "webhook_url"}
    assert {entry.name for entry in model.parameters[5:]} == added
    assert list(model.aspect_ratios) == ["1:1", "16:9", "9:16", "21:9", "9:21", "3:2", "2:3", "4:5", "5:4"]


def test_ratios_have_the_documented_pixels():
    """Pixels are the reference table's; Ultra doubles both sides."""
    dev, ultra = CATALOG.model("flux-dev"), CATALOG.model("flux-1.1-pro-ultra")
    assert dev.aspect_ratios["16:9"] == (1344, 768)
    assert dev.aspect_ratios["4:5"] == (896, 1088)
    assert dev.pixels("4:5", "0.25") == (448, 544)
    assert ultra.aspect_ratios["1:1"] == (2048, 2048)


def test_the_entrypoint_is_served_where_a_member_is():
    """`flux` is served by its first member that has a backend, a single model only by its own."""
    serving = {"flux-schnell": Serving("house", 4, None)}
    assert CATALOG.model("flux").served_by(serving) == serving["flux-schnell"]
    assert CATALOG.model("flux-schnell").served_by(serving) == serving["flux-schnell"]
    assert CATALOG.model("flux-dev").served_by(serving) is None


def test_every_model_can_be_asked_for():
    """No model requires what is not supported; one that does says so."""
    assert all(model.available for model in CATALOG.models)
    fill = CATALOG.model("flux-fill-dev")
    assert not replace(fill, parameters=[replace(one, supported=False) for one in fill.parameters]).available


def test_prices_of_an_installation_go_over_the_catalogs_and_away_again():
    """A family entrypoint follows its default member; without a price of its own each is as before."""
    catalog = Catalog.load()
    catalog.reprice({"flux-dev": 3_000_000})
    changed = {model.id: model.price_micro for model in catalog.models if model.price_micro != PRICES[model.id]}
    assert changed == {"flux-dev": 3_000_000, "flux": 3_000_000}
    assert catalog.parse("flux", {"prompt": "a fox"}).price_micro == 3_000_000
    catalog.reprice({})
    assert {model.id: model.price_micro for model in catalog.models} == PRICES

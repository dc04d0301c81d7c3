"""What is told of models: complete, and valid."""

import json
import re
from decimal import Decimal

import jsonschema_rs
import pytest

from fluxhouse.catalog.catalog import Catalog
from fluxhouse.console.docs import Shape, example_body, llm_model_text, llm_text
from fluxhouse.dialects.native.bodies import failure
from fluxhouse.dialects.native.shapes import component_schemas
from fluxhouse.generation import errors
from fluxhouse.generation.backend import Serving
from fluxhouse.generation.moderation import Moderation

CATALOG = Catalog.load()
PUBLIC_URL = "https://pictures.example.com"
USD = Decimal("0.025")
SERVING = {"flux-dev": Serving("fluxhouse-builtin", 8, 3.5)}


def kinds(kind):
    """An error's class and all below it."""
    return [kind, *(each for child in kind.__subclasses__() for each in kinds(child))]


EVERY_MODEL = pytest.mark.parametrize("model", CATALOG.models, ids=lambda model: model.id)


@EVERY_MODEL
def test_the_text_tells_everything(model):
    """It names the endpoint, every parameter, every ratio with its pixels, the related models and the moderation."""
    for shown in [llm_model_text(model, SERVING, PUBLIC_URL, USD)]:
        assert f"{PUBLIC_URL}/api/v1/models/{model.id}/run" in shown
        assert "Moderation: none (no checker configured): nothing is filtered.\n" in shown
        for parameter in model.parameters:
            assert re.search(rf"[> ]{parameter.name}\b", shown)
        for ratio, (width, height) in model.aspect_ratios.items():
            assert ratio in shown
            assert re.search(rf"{width} ?[x\u00d7] ?{height}", shown)
        for related in model.related:
            assert related in shown


@EVERY_MODEL
def test_the_examples_are_valid_answers(model):
    """The printed responses are JSON of the documented shapes, at the model's price."""
    text = llm_model_text(model, SERVING, PUBLIC_URL, USD)
    bodies = [json.loads(body) for body in re.findall(r"^\{\n.*?^\}$", text, re.DOTALL | re.MULTILINE)]
    for name, body in zip(("Submitted", "Job"), bodies, strict=True):
        schema = {"$ref": f"#/components/schemas/{name}", "components": {"schemas": component_schemas()}}
        jsonschema_rs.Draft202012Validator(schema).validate(body)
        assert body["creditCost"] * 1_000_000 == model.price_micro


@pytest.mark.parametrize("moderation", list(Moderation))
def test_a_page_says_who_moderates(moderation):
    """In a sentence, and no tag says otherwise; for a language model the list of all models does, too."""
    serving = {model.id: Serving("house", 8, 3.5, moderation) for model in CATALOG.models}
    for model_id in ("flux-dev", "flux-kontext-pro"):
        shown = llm_model_text(CATALOG.model(model_id), serving, PUBLIC_URL, USD)
        assert f"Moderation: {moderation.sentence}\n" in shown
        listed = model_id == "flux-kontext-pro" and moderation in (Moderation.NONE, Moderation.BUILTIN)
        assert ("Content moderation disabled" in shown) == (moderation is Moderation.DISABLED or listed)
    assert f"Moderation: {moderation.sentence}\n" in llm_text(CATALOG, PUBLIC_URL, serving, USD)


def test_the_price_is_shown_in_credits_and_dollars():
    """One credit is $0.025 unless this installation says otherwise."""
    ultra = CATALOG.model("flux-1.1-pro-ultra")
    assert "Price: 1.5 credits ($0.0375) an image" in llm_model_text(ultra, SERVING, PUBLIC_URL, USD)
    assert "($0.30)" in llm_model_text(ultra, SERVING, PUBLIC_URL, Decimal("0.2"))


def test_a_page_says_who_serves_and_the_defaults_that_hold_here():
    """Where the contract prints no default, the serving backend's is shown; an unserved model says so."""
    served = llm_model_text(CATALOG.model("flux"), SERVING, PUBLIC_URL, USD)
    assert "Served by: fluxhouse-builtin\n" in served
    assert "| num_inference_steps | integer | - (8 here) |" in served
    assert "| guidance_scale | number | - (3.5 here) |" in served
    assert "- flux-schnell: 0.5 credits, not served here" in served
    assert "Served by: nobody here, requests answer 503" in llm_model_text(
        CATALOG.model("flux-schnell"), SERVING, PUBLIC_URL, USD
    )


def test_what_is_not_supported_yet_is_marked():
    """The reader learns it before the request is refused."""
    flux = CATALOG.model("flux")
    unsupported = sum(not parameter.supported for parameter in flux.parameters)
    assert llm_model_text(flux, SERVING, PUBLIC_URL, USD).count("NOT SUPPORTED YET") == unsupported
    assert "prompt_upsampling=false" in llm_model_text(CATALOG.model("flux-kontext-pro"), SERVING, PUBLIC_URL, USD)


def test_every_error_is_told_with_the_status_that_it_has():
    """As the native API answers it."""
    told = re.findall(r"^- (\d{3}) (\w+): .", llm_text(CATALOG, PUBLIC_URL, SERVING, USD), re.MULTILINE)
    known = [kind for kind in kinds(errors.PlatformError) if kind.__module__ == errors.__name__]
    statuses = {kind.code: failure(kind()).status_code for kind in known}
    assert len(told) > 15
    assert [int(status) for status, _ in told] == [statuses[code] for _, code in told]


def test_the_overview_lists_every_model():
    """The text names each model with its own."""
    text = llm_text(CATALOG, PUBLIC_URL, SERVING, USD)
    for model in CATALOG.models:
        assert f"{PUBLIC_URL}/llm/{model.id}.txt" in text


@EVERY_MODEL
def test_the_example_request_is_accepted(model):
    """What the page shows, the catalog takes."""
    assert CATALOG.parse(model.id, example_body(model)).model is model


def test_ratios_are_drawn_to_scale():
    """One pixel for 32, in the middle of a square of 48."""
    assert Shape("3:2", 1216, 832).drawn == (5, 11, 38, 26)
    assert Shape("3:2", 1216, 832).megapixels == "1.01"

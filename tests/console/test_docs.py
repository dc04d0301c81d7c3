"""The pages drawn from the catalog: complete, escaped, self-contained, and fit for a strict content policy."""

import json
import re
from decimal import Decimal
from html.parser import HTMLParser
from importlib.resources import files

import jsonschema_rs
import pytest

from fluxhouse.catalog.catalog import Catalog
from fluxhouse.console.docs import llm_model_text, llm_text, render_index, render_model_page
from fluxhouse.dialects.native.shapes import component_schemas
from fluxhouse.generation.backend import Serving

CATALOG = Catalog.load()
PUBLIC_URL = "https://pictures.example.com"
SERVING = {"flux-dev": Serving("fluxhouse-builtin", 8, 3.5)}
EVERY_MODEL = pytest.mark.parametrize("model", CATALOG.models, ids=lambda model: model.id)


class Page(HTMLParser):
    """The tags of a page with their attributes, and whether they are balanced."""

    VOID = frozenset({"meta", "link", "br", "img", "input"})

    def __init__(self, html):
        super().__init__()
        self.tags, self.open = [], []
        self.feed(html)
        self.close()

    def handle_starttag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


def pages():
    """Every page this installation would show."""
    yield render_index(CATALOG, SERVING, PUBLIC_URL)
    for model in CATALOG.models:
        yield render_model_page(model, SERVING, PUBLIC_URL)


def test_pages_are_balanced_and_need_no_policy_exception():
    """No script, no inline style, no event attribute, and nothing loaded but our own stylesheet."""
    for html in pages():
        page = Page(html)
        assert page.open == []
        for tag, attributes in page.tags:
            assert tag not in ("script", "style", "img", "iframe")
            assert not [name for name in attributes if name == "style" or name.startswith("on")]
        assert [attributes["href"] for tag, attributes in page.tags if tag == "link"] == ["/static/docs.css"]


def test_the_stylesheet_is_small_and_knows_both_lights():
    """One file of ours, light and dark, that loads nothing."""
    css = (files("fluxhouse.console") / "static" / "docs.css").read_text()
    assert len(css) < 5000
    assert "prefers-color-scheme: dark" in css
    assert "url(" not in css
    assert "@import" not in css


@EVERY_MODEL
def test_a_page_and_its_text_tell_everything(model):
    """Both name the endpoint, every parameter, every ratio with its pixels, the related models and the moderation."""
    html, text = render_model_page(model, SERVING, PUBLIC_URL), llm_model_text(model, SERVING, PUBLIC_URL)
    for shown in (html, text):
        assert f"{PUBLIC_URL}/api/v1/models/{model.id}/run" in shown
        assert "o classifier configured: nothing is filtered" in shown
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
    text = llm_model_text(model, SERVING, PUBLIC_URL)
    bodies = [json.loads(body) for body in re.findall(r"^\{\n.*?^\}$", text, re.DOTALL | re.MULTILINE)]
    for name, body in zip(("Submitted", "Job"), bodies, strict=True):
        schema = {"$ref": f"#/components/schemas/{name}", "components": {"schemas": component_schemas()}}
        jsonschema_rs.Draft202012Validator(schema).validate(body)
        assert body["creditCost"] * 1_000_000 == model.price_micro


def test_the_price_is_shown_in_credits_and_dollars():
    """One credit is $0.025 unless this installation says otherwise."""
    ultra = CATALOG.model("flux-1.1-pro-ultra")
    assert "Price: 1.5 credits ($0.0375) an image" in llm_model_text(ultra, SERVING, PUBLIC_URL)
    assert "1 credit an image ($0.025)" in render_model_page(CATALOG.model("flux"), SERVING, PUBLIC_URL)
    assert "($0.30)" in llm_model_text(ultra, SERVING, PUBLIC_URL, usd_per_credit=Decimal("0.2"))


def test_a_page_says_who_serves_and_the_defaults_that_hold_here():
    """Where the contract prints no default, the serving backend's is shown; an unserved model says so."""
    served = llm_model_text(CATALOG.model("flux"), SERVING, PUBLIC_URL)
    assert "Served by: fluxhouse-builtin\n" in served
    assert "| num_inference_steps | integer | - (8 here) |" in served
    assert "| guidance_scale | number | - (3.5 here) |" in served
    assert "- flux-schnell: 0.5 credits, not served here" in served
    assert "Served by: nobody here, requests answer 503" in llm_model_text(
        CATALOG.model("flux-schnell"), SERVING, PUBLIC_URL
    )


def test_what_is_not_supported_yet_is_marked():
    """The reader learns it before the request is refused."""
    flux = CATALOG.model("flux")
    unsupported = sum(not parameter.supported for parameter in flux.parameters)
    assert llm_model_text(flux, SERVING, PUBLIC_URL).count("NOT SUPPORTED YET") == unsupported
    assert render_model_page(flux, SERVING, PUBLIC_URL).count(">not supported yet<") == unsupported
    assert "prompt_upsampling=false" in llm_model_text(CATALOG.model("flux-kontext-pro"), SERVING, PUBLIC_URL)


def test_names_in_descriptions_are_set_as_code():
    """Backticks of the catalog become code elements on the page."""
    html = render_model_page(CATALOG.model("flux"), SERVING, PUBLIC_URL)
    assert "Needs <code>height</code>" in html
    assert "`" not in html


def test_the_overview_lists_every_model():
    """Page and text name each model with its price and its own page."""
    html, text = render_index(CATALOG, SERVING, PUBLIC_URL), llm_text(CATALOG, PUBLIC_URL, SERVING)
    for model in CATALOG.models:
        assert f'href="/docs/{model.id}"' in html
        assert f"{PUBLIC_URL}/llm/{model.id}.txt" in text


def test_what_stands_in_the_address_is_escaped():
    """A hostile public address cannot open a tag."""
    assert "<script>" not in render_model_page(CATALOG.model("flux"), SERVING, "http://x/<script>")

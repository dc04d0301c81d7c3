"""The JSON Schema and the validator agree, judged by an independent validator on random bodies."""

import random

import jsonschema_rs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fluxhouse.catalog.catalog import Catalog
from fluxhouse.generation.errors import RequestRejected

CATALOG = Catalog.load()
VALIDATORS = {model.id: jsonschema_rs.Draft202012Validator(model.schema()) for model in CATALOG.models}
URL = "https://example.com/a.png"
JUNK = (None, True, False, 0, 1, 2.0, 2.5, -1, 10**30, 1e300, "", " ", "1", "custom", "a\n", [], [1], ["x"], {}, [{}])
TEXTS = (URL, "file_" + "0f" * 16, "data:image/png;base64,AAAA", URL + "\n", "ftp://a", "a\x00b", "\ufeff", "\x85", "x")

LORAS = ("owner/name", "owner/name/a (1).safetensors", "lora_0f", "https://a.example/b.safetensors", "civitai:1@2")


def random_items(parameter, chance):
    """Mostly what the array takes, of any number about the allowed one, sometimes a wrong item among it."""
    items = {
        "string": LORAS,
        "number": (0, 0.5, -1, 3.0),
        "lora": (*LORAS, {"id": "lora_1"}, {"url": LORAS[3], "scale": 2}, {"url": LORAS[0], "scale": None}),
    }[parameter.item_type]
    items = TEXTS[:3] if parameter.name == "input_images" else items
    wrong = ("a", "../b/c", 3.5, -1.5, True, None, [], {}, {"id": "lora_1", "url": "a/b"}, {"scale": 1}, {"id": 1},
             {"id": "lora_1", "scale": 4}, {"url": "x"}, {"id": "lora_1", "weight": 1}, 10**400)  # fmt: skip
    count = chance.choice((0, 1, 1, 2, 2, 3, 8, 9))
    chosen = [chance.choice(items) for _ in range(count)]
    return [*chosen, chance.choice(wrong)] if chance.random() < 0.1 else chosen


def random_value(parameter, chance):
    """Mostly a value near the parameter's own range, sometimes anything."""
    if chance.random() < 0.06:
        return chance.choice(JUNK)
    if chance.random() < 0.2:
        return parameter.default
    if parameter.enum is not None:
        return chance.choice(parameter.enum)
    if parameter.type == "boolean":
        return chance.choice((True, False))
    if parameter.type == "array":
        return random_items(parameter, chance)
    if parameter.name in ("hf_lora", "lora_weights"):
        return chance.choice((*LORAS, *LORAS, "owner", "a" * 1990 + "/b", "a/" + "b" * 1998, "a/" + "b" * 1999))
    if parameter.type == "string":
        return chance.choice((*TEXTS[:3], *TEXTS[:3], *TEXTS, "é" * chance.choice((1, 10_000, 10_001))))
    low, high = parameter.minimum or 0, parameter.maximum or 10
    value = chance.uniform(low, high)
    near = (low, high, low - 1, high + 1, round(value), float(round(value)), round(value), round(value), value)
    return chance.choice(near)


def random_body(model, chance):
    """A body with a few of the vocabulary's parameters, those that depend on each other often together."""
    vocabulary = {entry.name: entry for entry in (*model.parameters, *model.foreign)}
    names = set(chance.sample(sorted(vocabulary), chance.randint(0, 3)))
    if chance.random() < 0.9:
        names |= {entry.name for entry in model.parameters if entry.required and entry.name != "prompt"}
    if chance.random() < 0.3:
        names |= {"width", "height"}
    if chance.random() < 0.3:
        names.add("model")
    if chance.random() < 0.3:
        names |= set(chance.sample(("hf_lora", "lora_weights", "lora_scale", "hf_loras", "lora_scales"), 2))
    if chance.random() < 0.3:
        names |= {"negative_prompt", "true_cfg_scale"}
    body = {name: random_value(vocabulary[name], chance) for name in names}
    if chance.random() < 0.95:
        body["prompt"] = body.get("prompt", "a cat")
    if chance.random() < 0.03:
        body[chance.choice(("colour", "prompt\n", "output_format\n", ""))] = "png"
    return body


def accepted(model, body):
    """Whether the catalog takes the body."""
    try:
        CATALOG.parse(model.id, body)
    except RequestRejected:
        return False
    return True


def one_image_twice(body):
    """The one rule where the schema is stricter: the same image under both its names."""
    return isinstance(body.get("input_image"), str) and body.get("input_image") == body.get("image_url")


@pytest.mark.parametrize("model", CATALOG.models, ids=lambda model: model.id)
def test_schema_and_validator_agree(model):
    """On random bodies both say yes or both say no, and each answer occurs."""
    chance = random.Random(model.id)
    verdicts = set()
    for _ in range(3000 if model.members else 1000):
        body = random_body(model, chance)
        verdict = accepted(model, body)
        if not one_image_twice(body):
            assert VALIDATORS[model.id].is_valid(body) == verdict, body
        verdicts.add(verdict)
    assert verdicts == ({True, False} if model.available else {False})


@given(st.text(alphabet=st.characters(codec="utf-8"), max_size=4))
def test_schema_and_validator_agree_on_what_a_prompt_says(prompt):
    """White space means the same to both, whatever the alphabet."""
    body = {"prompt": prompt}
    assert VALIDATORS["flux-dev"].is_valid(body) == accepted(CATALOG.model("flux-dev"), body)


@pytest.mark.parametrize("model", CATALOG.models, ids=lambda model: model.id)
def test_the_schema_is_closed_and_readable(model):
    """A closed object whose properties are the model's own parameters, each described; valid by its dialect."""
    schema = model.schema()
    jsonschema_rs.meta.validate(schema)
    assert (schema["type"], schema["additionalProperties"]) == ("object", False)
    assert list(schema["properties"]) == [parameter.name for parameter in model.parameters]
    assert all(entry["description"] for entry in schema["properties"].values())


def test_null_is_said_to_be_allowed_where_a_value_may_be_absent():
    """Optional values take null by the schema, the prompt does not."""
    properties = CATALOG.model("flux").schema()["properties"]
    assert properties["seed"]["type"] == ["integer", "null"]
    assert properties["prompt"]["type"] == "string"
    assert properties["output_format"]["enum"] == ["png", "jpg", "webp", None]
    assert properties["output_format"]["default"] == "png"

"""The JSON Schema of a request body, exact enough that it accepts what parsing accepts."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from fluxhouse.catalog.loras import PARAMETERS as LORA_PARAMETERS
from fluxhouse.catalog.parameter import Parameter

Schema = dict[str, Any]
Parameters = Mapping[str, Parameter]

DIALECT = "https://json-schema.org/draft/2020-12/schema"
CUSTOM = "custom"

SELDOM_RULED = (*LORA_PARAMETERS, "input_images", "negative_prompt", "true_cfg_scale")
"""What a schema says each for itself where it shall not say all: see `request_schema`."""

_NULL: Schema = {"type": "null"}


def request_schema(
    parameters: Sequence[Parameter],
    foreign: Sequence[Parameter],
    members: Mapping[str, Parameters],
    *,
    all_rules: bool = True,
) -> Schema:
    """A closed object with these parameters; of the `foreign` ones only the defaults pass.

    `members` maps the ids a family entrypoint selects among, the default first, to what each knows. One rule is
    stricter than parsing: giving `input_image` and `image_url` the same value is accepted there, and not here.
    Without `all_rules` nothing is said of which of `SELDOM_RULED` go together or with which member: generators of
    requests give up where a schema has too many alternatives.
    """
    known = {parameter.name: parameter for parameter in parameters}
    schema: Schema = {
        "$schema": DIALECT,
        "type": "object",
        "properties": {name: parameter.schema() for name, parameter in known.items()},
        "required": [name for name, parameter in known.items() if parameter.required],
        "additionalProperties": False,
    }
    if foreign:
        schema["patternProperties"] = _default_only(foreign)
    ruled = known if all_rules else {name: known[name] for name in known if name not in SELDOM_RULED}
    judged = (_size_rule, _image_rule, _guidance_rule, _scale_rule, _scales_rule)
    rules = [rule for rule in (_member_rule(ruled, members), *(judge(ruled) for judge in judged)) if rule]
    return schema | {"allOf": [{"anyOf": branches} for branches in rules]} if rules else schema


def _default_only(foreign: Sequence[Parameter]) -> dict[str, Schema]:
    # The look-ahead says "and nothing follows": in Python `$` alone would also match before a line feed.
    return {rf"^{parameter.name}(?![\s\S])": parameter.default_schema() for parameter in foreign}


def _member_rule(known: Parameters, members: Mapping[str, Parameters]) -> list[Schema]:
    """One branch for each group of members that know the same, in the order of their first."""
    groups: dict[str, tuple[Schema, list[str]]] = {}
    for member_id, member in members.items():
        narrowed = _narrowed(known, member)
        groups.setdefault(json.dumps(narrowed), (narrowed, []))[1].append(member_id)
    default_id = next(iter(members), None)
    branches = []
    for narrowed, ids in groups.values():
        is_default = default_id in ids
        selector: Schema = {"enum": [*ids, None]} if is_default else {"enum": ids}
        branch: Schema = {"properties": {"model": selector, **narrowed}}
        branches.append(branch if is_default else branch | {"required": ["model"]})
    return branches


def _narrowed(known: Parameters, member: Parameters) -> dict[str, Schema]:
    """What a member accepts, for each parameter where that is not what the entrypoint accepts."""
    narrowed: dict[str, Schema] = {}
    for name, parameter in known.items():
        if name == "model":
            continue
        theirs = member[name].schema() if name in member else parameter.default_schema()
        if _bare(theirs) != _bare(parameter.schema()):
            narrowed[name] = _bare(theirs)
    return narrowed


def _bare(schema: Schema) -> Schema:
    return {keyword: value for keyword, value in schema.items() if keyword not in ("description", "default")}


def _size_rule(known: Parameters) -> list[Schema]:
    """Either a ratio, or both sides with `custom` or no ratio."""
    if "width" not in known:
        return []
    ratios = [ratio for ratio in known["aspect_ratio"].enum or () if ratio != CUSTOM]
    both: Schema = {
        "width": {"type": "integer"},
        "height": {"type": "integer"},
        "aspect_ratio": {"enum": [CUSTOM, None]},
    }
    if "megapixels" in known:
        both["megapixels"] = {"enum": ["1", None]}
    return [
        {"properties": {"width": _NULL, "height": _NULL, "aspect_ratio": {"enum": [*ratios, None]}}},
        {"properties": both, "required": ["width", "height"]},
    ]


def _image_rule(known: Parameters) -> list[Schema]:
    """At most one spelling of the input image, or several of them, and a strength only beside one."""
    if "input_image" not in known:
        return []
    none: Schema = {"input_image": _NULL, "image_url": _NULL}
    one: Schema = {"type": "string"}
    spellings = {"input_image": one, "image_url": one}
    if "input_images" in known:
        none["input_images"] = {"enum": [[], None]}
        spellings["input_images"] = {"type": "array", "minItems": 1}
    without = dict(none)
    if "prompt_strength" in known:
        without["prompt_strength"] = known["prompt_strength"].default_schema()
    given = [{"properties": none | {name: value}, "required": [name]} for name, value in spellings.items()]
    return [{"properties": without}, *given]


def _guidance_rule(known: Parameters) -> list[Schema]:
    """A negative prompt with its strength, or neither."""
    if "negative_prompt" not in known:
        return []
    neither: Schema = {"negative_prompt": _NULL, "true_cfg_scale": known["true_cfg_scale"].default_schema()}
    both: Schema = {"negative_prompt": {"type": "string"}, "true_cfg_scale": {"type": "number", "exclusiveMinimum": 1}}
    return [{"properties": neither}, {"properties": both, "required": list(both)}]


def _scale_rule(known: Parameters) -> list[Schema]:
    """A strength only beside a LoRA that it is for."""
    if "lora_scale" not in known:
        return []
    alone: Schema = {"properties": {"lora_scale": known["lora_scale"].default_schema()}}
    named = [name for name in ("hf_lora", "lora_weights") if name in known]
    return [alone, *({"properties": {name: {"type": "string"}}, "required": [name]} for name in named)]


def _scales_rule(known: Parameters) -> list[Schema]:
    """No strengths, one for all, or as many as there are LoRAs."""
    if "lora_scales" not in known:
        return []

    def both(scales: int, loras: Schema) -> Schema:
        count = {"type": "array", "minItems": scales, "maxItems": scales}
        properties = {"lora_scales": count, "hf_loras": {"type": "array"} | loras}
        return {"properties": properties, "required": ["lora_scales", "hf_loras"]}

    most = known["lora_scales"].max_items or 1
    counts = range(2, most + 1)
    none: Schema = {"properties": {"lora_scales": {"enum": [[], None]}}}
    return [none, both(1, {"minItems": 1}), *(both(n, {"minItems": n, "maxItems": n}) for n in counts)]

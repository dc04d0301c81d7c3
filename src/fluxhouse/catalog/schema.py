"""The JSON Schema of a request body, exact enough that it accepts what parsing accepts."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from fluxhouse.catalog.parameter import Parameter

Schema = dict[str, Any]
Parameters = Mapping[str, Parameter]

DIALECT = "https://json-schema.org/draft/2020-12/schema"
CUSTOM = "custom"

_NULL: Schema = {"type": "null"}


def request_schema(
    parameters: Sequence[Parameter], foreign: Sequence[Parameter], members: Mapping[str, Parameters]
) -> Schema:
    """A closed object with these parameters; of the `foreign` ones only the defaults pass.

    `members` maps the ids a family entrypoint selects among, the default first, to what each knows. One rule is
    stricter than parsing: giving `input_image` and `image_url` the same value is accepted there, and not here.
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
    rules = [rule for rule in (_member_rule(known, members), _size_rule(known), _image_rule(known)) if rule]
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
    """At most one spelling of the input image, and a strength only beside it."""
    if "input_image" not in known:
        return []
    without: Schema = {"input_image": _NULL, "image_url": _NULL}
    if "prompt_strength" in known:
        without["prompt_strength"] = known["prompt_strength"].default_schema()
    return [
        {"properties": without},
        {"properties": {"input_image": {"type": "string"}, "image_url": _NULL}, "required": ["input_image"]},
        {"properties": {"input_image": _NULL, "image_url": {"type": "string"}}, "required": ["image_url"]},
    ]

"""Replicate's input fields: what each is called in the catalog, and what the vendor prints for each model."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from fluxhouse.catalog.model import Model
from fluxhouse.catalog.parameter import Parameter, Value
from fluxhouse.dialects.replicate.spelling import ID_PATTERN

MATCH_INPUT = "match_input_image"
MATCH_MEGAPIXELS = "match_input"
PICTURES = ("image", "input_image", "mask")
LONGEST_PICTURE = 30_000_000  # characters
# Clients put here what the files API gave them, `urls.get` or the id alone, and data URIs of an unknown type.
_NAMES_PICTURE = rf"^(https?://[^\x00-\x20\x7f]+|data:[!-~]+|file_[0-9A-Za-z]+|{ID_PATTERN})$"
_NAMES_PICTURE_SAYS = "must be an http(s) URL, a data URI or the id of an uploaded file"

# Under the vendor's name the catalog's, where they differ; and what the vendor prints for every model.
_NATIVE: Mapping[str, str] = {"guidance": "guidance_scale", "steps": "num_inference_steps", "image": "input_image"}
_PRINTED: Mapping[str, str] = {"aspect_ratio": "1:1", "megapixels": "1", "output_format": "webp"}

# What is settled outside the catalog, which knows these for some models only.
OUTSIDE = ("disable_safety_checker", "go_fast", "output_format", "output_quality", "image_prompt_strength", "interval",
           "extra_lora", "extra_lora_scale", "prompt_upsampling")  # fmt: skip
# The vendor's second LoRA is checked as its first, and becomes one of the catalog's list.
_LENT: Mapping[str, str] = {"extra_lora": "lora_weights", "extra_lora_scale": "lora_scale"}
SECOND_LORA = "customLoras"

# What the vendor has and the catalog lacks. Where `supported` is False, only the default passes.
_OWN: Mapping[str, Parameter] = {
    "disable_safety_checker": Parameter(
        name="disable_safety_checker",
        type="boolean",
        default=False,
        description="Whether no safety checker shall look. Where the operator has configured none, nobody does.",
    ),
    "go_fast": Parameter(
        name="go_fast",
        type="boolean",
        default=True,
        description="Whether exactness may be traded for speed; with an input image to start from it never is.",
    ),
    "image_prompt": Parameter(
        name="image_prompt", type="string", supported=False, description="A picture to take the composition from."
    ),
    "image_prompt_strength": Parameter(
        name="image_prompt_strength",
        type="number",
        default=0.1,
        minimum=0,
        maximum=1,
        supported=False,
        description="How much `image_prompt` counts.",
    ),
    "interval": Parameter(
        name="interval",
        type="integer",
        default=2,
        minimum=1,
        maximum=4,
        supported=False,
        description="How much pictures of one prompt may differ.",
    ),
    "hf_api_token": Parameter(
        name="hf_api_token", type="string", supported=False, description="A key of the caller's for Hugging Face."
    ),
    "civitai_api_token": Parameter(
        name="civitai_api_token", type="string", supported=False, description="A key of the caller's for CivitAI."
    ),
}

_OUT = ("seed", "output_format", "output_quality")
_SCHNELL = ("prompt", "aspect_ratio", "num_outputs", "num_inference_steps", *_OUT, "disable_safety_checker", "go_fast",
            "megapixels")  # fmt: skip
_DEV = (*_SCHNELL, "image", "prompt_strength", "guidance")
_LORA = ("lora_weights", "lora_scale")
_PRO = ("prompt", "aspect_ratio", *_OUT, "safety_tolerance", "prompt_upsampling")
_SIDES = ("width", "height")
_KONTEXT = (*_PRO, "input_image")


@dataclass(frozen=True, slots=True)
class Hosting:
    """What the vendor prints for one model: its fields in order, defaults and limits that are not the catalog's.

    `single` models answer with one address instead of a list.
    """

    fields: Sequence[str]
    printed: Mapping[str, Mapping[str, Any]]
    single: bool = False


def _hosting(fields: Sequence[str], *, single: bool = False, **defaults: Value) -> Hosting:
    return Hosting(fields, {name: {"default": value} for name, value in defaults.items()}, single)


_FILL = ("prompt", "image", "mask", "num_outputs", "num_inference_steps", "guidance", "megapixels", *_OUT, *_LORA,
         "disable_safety_checker")  # fmt: skip
_MULTI = ("prompt", "aspect_ratio", "image", "prompt_strength", "num_outputs", "num_inference_steps", "guidance_scale",
          *_OUT, "hf_loras", "lora_scales", "disable_safety_checker")  # fmt: skip
_KONTEXT_DEV = ("prompt", "input_image", "aspect_ratio", "num_inference_steps", "guidance", *_OUT,
                "disable_safety_checker", "go_fast")  # fmt: skip
_STEERED = ("prompt", "aspect_ratio", *_SIDES, "steps", "guidance", "interval", *_OUT, "safety_tolerance",
            "prompt_upsampling")  # fmt: skip

HOSTED: Mapping[str, Hosting] = {
    "black-forest-labs/flux-schnell": _hosting(_SCHNELL),
    "black-forest-labs/flux-dev": _hosting(_DEV, guidance=3),
    "black-forest-labs/flux-krea-dev": _hosting(_DEV, guidance=3),
    "black-forest-labs/flux-schnell-lora": _hosting((*_SCHNELL, *_LORA)),
    "black-forest-labs/flux-dev-lora": _hosting(
        (*_DEV, *_LORA, "extra_lora", "extra_lora_scale", "hf_api_token", "civitai_api_token"), guidance=3
    ),
    "lucataco/flux-dev-multi-lora": _hosting(_MULTI, guidance_scale=3.5),
    "black-forest-labs/flux-fill-dev": _hosting(_FILL, guidance=30),
    "black-forest-labs/flux-kontext-dev": _hosting(_KONTEXT_DEV, single=True, guidance=2.5),
    "black-forest-labs/flux-pro": _hosting(_STEERED, single=True, guidance=3, safety_tolerance=2),
    "black-forest-labs/flux-1.1-pro": _hosting((*_PRO, *_SIDES, "image_prompt"), single=True, safety_tolerance=2),
    "black-forest-labs/flux-1.1-pro-ultra": _hosting(
        (*_PRO, "raw", "image_prompt", "image_prompt_strength"), single=True, safety_tolerance=2, output_format="jpg"
    ),
    "black-forest-labs/flux-kontext-pro": _hosting(_KONTEXT, single=True, safety_tolerance=2, output_format="png"),
    "black-forest-labs/flux-kontext-max": _hosting(_KONTEXT, single=True, safety_tolerance=2, output_format="png"),
}


def parameters(model: Model, hosting: Hosting) -> tuple[Parameter, ...]:
    """The fields of one model, each as the catalog checks it, under the vendor's name and with its printed default."""
    vocabulary = {parameter.name: parameter for parameter in (*model.parameters, *model.foreign)}
    fields = [_OWN[name] if name in _OWN else _known(name, model, vocabulary) for name in hosting.fields]
    if "input_image" in hosting.fields:
        fields = [_matching(field, "aspect_ratio", MATCH_INPUT, default=MATCH_INPUT) for field in fields]
    if "mask" in hosting.fields:
        fields = [_matching(field, "megapixels", MATCH_MEGAPIXELS) for field in fields]
    if hosting.single:
        # Clients that know one call for every model send it everywhere.
        count = replace(vocabulary["num_outputs"], maximum=1, description="This model makes one picture at a time.")
        fields.append(count)
    return tuple(replace(field, **hosting.printed.get(field.name, {})) for field in fields)


def native_name(name: str, model: Model) -> str:
    """What the catalog calls a field; the picture that a Fill model repaints is called `image` there too."""
    return "image" if name == "image" and model.parameter("image") else _NATIVE.get(name, name)


def lora_name(value: str) -> str:
    """What names a LoRA in the vendor's way, as the catalog takes it: on Hugging Face or CivitAI without the host."""
    on_civitai = re.match(r"(?:https://)?civitai\.com/models/([0-9]{1,12})(?:/|$)", value)
    return f"civitai:{on_civitai[1]}" if on_civitai else value.removeprefix("huggingface.co/")


def _known(name: str, model: Model, vocabulary: Mapping[str, Parameter]) -> Parameter:
    known = replace(vocabulary[_LENT.get(name, native_name(name, model))], name=name)
    if name in PICTURES:
        return replace(known, max_length=LONGEST_PICTURE, pattern=_NAMES_PICTURE, pattern_says=_NAMES_PICTURE_SAYS)
    return replace(known, default=_PRINTED[name]) if name in _PRINTED else known


def _matching(field: Parameter, name: str, word: str, **changes: Value) -> Parameter:
    return replace(field, enum=(word, *(field.enum or ())), **changes) if field.name == name else field  # type: ignore[arg-type]

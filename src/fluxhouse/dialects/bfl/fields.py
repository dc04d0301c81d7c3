"""BFL's fields: which model takes which, within whose limits, and which are some other model's."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from fluxhouse.catalog.parameter import Parameter
from fluxhouse.generation.request import OutputFormat

FORMATS: Mapping[str, OutputFormat] = {"jpeg": OutputFormat.JPEG, "png": OutputFormat.PNG, "webp": OutputFormat.WEBP}
GRID = 32  # of widths and heights
LONGEST_URL = 2000  # characters
UPSAMPLING = "prompt_upsampling"
INPUT_IMAGES = ("input_image", "input_image_2", "input_image_3", "input_image_4")

_RATIO = Parameter(
    name="aspect_ratio",
    type="string",
    pattern="^[1-9][0-9]{0,3}:[1-9][0-9]{0,3}$",
    pattern_says="must be WIDTH:HEIGHT, from 21:9 to 9:21",
)
_SHARED = (
    Parameter(name="seed", type="integer", minimum=0, maximum=2**32 - 1),
    Parameter(name=UPSAMPLING, type="boolean", default=False),
    Parameter(name="safety_tolerance", type="integer", default=2, minimum=0, maximum=6),
    Parameter(name="output_format", type="string", default="jpeg", enum=tuple(FORMATS)),
    Parameter(name="webhook_url", type="string", max_length=LONGEST_URL),
    Parameter(name="webhook_secret", type="string", max_length=1000),
)
_SIZE = (
    Parameter(name="width", type="integer", default=1024, minimum=256, maximum=1440),
    Parameter(name="height", type="integer", default=768, minimum=256, maximum=1440),
)
_IMAGE_PROMPT = Parameter(name="image_prompt", type="string", supported=False)


def _steps(default: int | None, minimum: int, maximum: int) -> Parameter:
    return Parameter(name="steps", type="integer", default=default, minimum=minimum, maximum=maximum)


def _guidance(default: float | None, minimum: float, maximum: float) -> Parameter:
    return Parameter(name="guidance", type="number", default=default, minimum=minimum, maximum=maximum)


_PNG = tuple(replace(known, default="png") if known.name == "output_format" else known for known in _SHARED)
_KONTEXT = (*(Parameter(name=name, type="string") for name in INPUT_IMAGES), _RATIO, *_PNG)
_FILL = (Parameter(name="image", type="string", required=True), Parameter(name="mask", type="string"))


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One of BFL's models: the last part of its path, the catalog's model behind it, and the fields beside `prompt`."""

    name: str
    model: str
    fields: tuple[Parameter, ...]


# The vendor's, and after them, in the same words, those of ours that it does not offer.
ENDPOINTS = (
    Endpoint("flux-dev", "flux-dev", (*_SIZE, _steps(28, 1, 50), _guidance(3.0, 1.5, 5), _IMAGE_PROMPT, *_SHARED)),
    Endpoint("flux-pro-1.1", "flux-1.1-pro", (*_SIZE, _IMAGE_PROMPT, *_SHARED)),
    Endpoint(
        "flux-pro-1.1-ultra",
        "flux-1.1-pro-ultra",
        (
            replace(_RATIO, default="16:9"),
            Parameter(name="raw", type="boolean", default=False, supported=False),
            _IMAGE_PROMPT,
            Parameter(name="image_prompt_strength", type="number", default=0.1, supported=False),
            *_SHARED,
        ),
    ),
    Endpoint("flux-kontext-pro", "flux-kontext-pro", _KONTEXT),
    Endpoint("flux-kontext-max", "flux-kontext-max", _KONTEXT),
    Endpoint("flux-pro-1.0-fill", "flux-fill-dev", (*_FILL, _steps(50, 15, 50), _guidance(60, 1.5, 100), *_SHARED)),
    Endpoint("flux-schnell", "flux-schnell", (*_SIZE, _steps(None, 1, 4), *_SHARED)),
    Endpoint("flux-krea-dev", "flux-krea-dev", (*_SIZE, _steps(None, 1, 50), _guidance(None, 1.5, 5), *_SHARED)),
    Endpoint("flux-kontext-dev", "flux-kontext-dev", (_steps(None, 1, 50), _guidance(None, 1.5, 10), *_KONTEXT)),
)
EVERY_FIELD = frozenset({"prompt", *(known.name for endpoint in ENDPOINTS for known in endpoint.fields)})
"""Of these, one that another model takes is passed over, as the vendor does."""

"""The fields of OpenAI's two image operations: what each accepts, by whose words and within whose limits."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from fluxhouse.catalog.model import Model
from fluxhouse.catalog.parameter import Parameter
from fluxhouse.catalog.sizes import GRID
from fluxhouse.dialects.openai.answers import B64, FORMATS
from fluxhouse.generation.errors import InvalidParameter

MOST_IMAGES = 4  # input pictures of one edit, as FLUX.1 Kontext reads them
LEAST_SIDE, LONGEST_SIDE = 256, 2048  # pixels
_MOST_PIXELS = 1440 * 1440  # as many as the native API makes
_STEEPEST = 3  # the long side is at most so many times the short one
_SIZE = re.compile(r"([1-9][0-9]{1,4})x([1-9][0-9]{1,4})")

QUALITIES: Mapping[str, str] = {
    "auto": "auto",
    "low": "low",
    "medium": "medium",
    "high": "high",
    "standard": "medium",
    "hd": "high",
}
"""The words for quality, older ones too, by those that an answer has."""

MODEL = Parameter(name="model", type="string", max_length=100)
_SHARED = (
    MODEL,
    Parameter(name="n", type="integer", default=1, minimum=1, maximum=4),
    Parameter(name="size", type="string", default="auto"),
    Parameter(name="quality", type="string", default="auto", enum=tuple(QUALITIES)),
    Parameter(name="response_format", type="string", enum=("url", B64)),
    Parameter(name="output_format", type="string", default="png", enum=tuple(FORMATS)),
    Parameter(name="output_compression", type="integer", default=100, minimum=0, maximum=100),
    Parameter(name="background", type="string", default="auto", enum=("auto", "opaque")),
    Parameter(name="stream", type="boolean", default=False),
    Parameter(name="partial_images", type="integer", default=0, minimum=0, maximum=3),
    Parameter(name="user", type="string", max_length=1000),
    Parameter(name="safety_identifier", type="string", max_length=1000),
)
GENERATIONS = (
    *_SHARED,
    Parameter(name="moderation", type="string", default="auto", enum=("auto", "low")),
    Parameter(name="style", type="string", default="vivid", enum=("vivid",)),
)
EDITS = (*_SHARED, Parameter(name="input_fidelity", type="string", enum=("high", "low")))

# Parameters of ours for which OpenAI has a word, and whose errors are told by that word.
RENAMED: Mapping[str, str] = {
    "num_outputs": "n",
    "output_quality": "output_compression",
    "input_image": "image",
    "aspect_ratio": "size",
    "width": "size",
    "height": "size",
}
_NOT_BESIDE = {*RENAMED, "prompt", "model", "output_format", "image_url", "input_images", "megapixels", "webhook_url",
               "image", "mask"}  # fmt: skip


def beside(model: Model) -> list[Parameter]:
    """The model's own parameters that a body may have beside OpenAI's fields, such as `seed`."""
    return [parameter for parameter in model.parameters if parameter.name not in _NOT_BESIDE]


def checked(known: Sequence[Parameter], body: Mapping[str, Any]) -> dict[str, Any]:
    """Every field of an operation, checked and with its default; raises `InvalidParameter`."""
    values: dict[str, Any] = {field.name: field.check(body.get(field.name)) for field in known}
    if values["stream"] and values["n"] != 1:
        raise InvalidParameter("`n` must be 1 with `stream`.", field="n")
    if values["partial_images"] and not values["stream"]:
        raise InvalidParameter("`partial_images` needs `stream`.", field="partial_images")
    if values["output_format"] == "png" and values["output_compression"] != 100:
        raise InvalidParameter("`output_compression` is for jpeg and webp.", field="output_compression")
    return values


def check_known(body: Mapping[str, Any], known: Sequence[str]) -> None:
    """Raise `InvalidParameter` for the first field that is not `known`."""
    for name in body:
        if name not in known:
            shown = name[:100]
            raise InvalidParameter(f"`{shown}` is not known here; there are: {', '.join(known)}.", field=shown)


def typed(parameter: Parameter, value: object) -> object:
    """A form's text as the type it stands for; what does not fit is left for `Parameter.check` to refuse."""
    if not isinstance(value, str):
        return value
    try:
        match parameter.type:
            case "integer":
                return int(value)
            case "number":
                return float(value)
            case "boolean":
                return {"true": True, "false": False}.get(value.lower(), value)
    except ValueError:
        pass
    return value


def pixels(size: str, model: Model) -> tuple[int, int] | None:
    """Width and height of `size`, None for `auto`; raises `InvalidParameter`.

    A model whose weights nobody has makes only the sizes of its catalog entry.
    """
    if size == "auto":
        return None
    match = _SIZE.fullmatch(size)
    width, height = (int(match[1]), int(match[2])) if match else (0, 0)
    if model.licence.checkpoint is None and model.parameter("width") is None:
        if (width, height) not in model.aspect_ratios.values():
            sizes = ", ".join(f"{wide}x{high}" for wide, high in model.aspect_ratios.values())
            raise InvalidParameter(f"`size` of `{model.id}` must be one of auto, {sizes}.", field="size")
    elif not _makeable(width, height):
        raise InvalidParameter(
            f"`size` must be auto or WIDTHxHEIGHT, such as 1536x1024: both multiples of {GRID} from {LEAST_SIDE} to "
            f"{LONGEST_SIDE}, at most {_MOST_PIXELS:,} pixels, and no side over {_STEEPEST} times the other.",
            field="size",
        )
    return width, height


def _makeable(width: int, height: int) -> bool:
    short, long = sorted((width, height))
    on_grid = width % GRID == 0 and height % GRID == 0
    return (
        short >= LEAST_SIDE
        and long <= min(LONGEST_SIDE, _STEEPEST * short)
        and on_grid
        and width * height <= _MOST_PIXELS
    )

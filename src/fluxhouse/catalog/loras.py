"""The LoRAs that a request asks for, from the several parameters in which contracts name them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from fluxhouse.generation.errors import InvalidParameter

PARAMETERS = ("hf_lora", "hf_loras", "lora_weights", "lora_scale", "lora_scales", "customLoras")
NAMES = ("id", "url")  # what names a LoRA in an item of `customLoras`
SCALE_OF_SEVERAL = 0.8
DEFAULT_SCALE = 1.0


@dataclass(frozen=True, slots=True)
class AskedLora:
    """A LoRA as the caller names it: the `reference` that parameter `field` holds, and how strong it shall be."""

    field: str
    reference: str
    scale: float


def asked_loras(values: Mapping[str, Any]) -> tuple[AskedLora, ...]:
    """The LoRAs in checked `values`, in the order of the published table; all of them are applied.

    Raises `InvalidParameter` for a strength without a LoRA, and for strengths whose number fits no LoRAs.
    """
    asked: list[AskedLora] = []
    scale = values.get("lora_scale")
    scale = DEFAULT_SCALE if scale is None else scale
    for field in ("hf_lora", "hf_loras", "lora_weights"):
        if field == "hf_loras":
            asked += _several(values)
        elif values.get(field) is not None:
            asked.append(AskedLora(field, values[field], scale))
    if scale != DEFAULT_SCALE and not any(lora.field in ("hf_lora", "lora_weights") for lora in asked):
        raise InvalidParameter("`lora_scale` needs `hf_lora` or `lora_weights`.", field="lora_scale")
    return (*asked, *map(_custom, values.get("customLoras") or ()))


def _several(values: Mapping[str, Any]) -> Sequence[AskedLora]:
    references, scales = values.get("hf_loras") or [], values.get("lora_scales") or []
    if scales and not references:
        raise InvalidParameter("`lora_scales` needs `hf_loras`.", field="lora_scales")
    if len(scales) > 1 and len(scales) != len(references):
        raise InvalidParameter(
            f"`lora_scales` must have one item for all or one for each of the {len(references)} LoRAs in `hf_loras`, "
            f"not {len(scales)}.",
            field="lora_scales",
        )
    if len(scales) < 2:
        scales = [scales[0] if scales else SCALE_OF_SEVERAL] * len(references)
    return [AskedLora("hf_loras", *pair) for pair in zip(references, scales, strict=True)]


def _custom(item: str | Mapping[str, Any]) -> AskedLora:
    if isinstance(item, str):
        return AskedLora("customLoras", item, DEFAULT_SCALE)
    reference = next(item[name] for name in NAMES if name in item)
    return AskedLora("customLoras", reference, item.get("scale", DEFAULT_SCALE))

"""A model's parameters as the controls of a form, each of the kind that fits what it means."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from fluxhouse.catalog.loras import DEFAULT_SCALE, SCALE_OF_SEVERAL
from fluxhouse.catalog.loras import PARAMETERS as LORA_PARAMETERS
from fluxhouse.catalog.model import Model
from fluxhouse.catalog.parameter import Parameter
from fluxhouse.console.docs import own_default
from fluxhouse.generation.backend import Serving

# Asked for beside the form: the ratio picker takes sizes along, and the page itself follows its jobs.
_ELSEWHERE = frozenset(
    {"prompt", "aspect_ratio", "width", "height", "image_url", "input_images", "webhook_url", *LORA_PARAMETERS}
)
_PICTURES = ("image", "input_image")
_USUAL = ("model", "num_outputs", "seed", "prompt_strength")
_LABELS: Mapping[str, str] = {
    "model": "Member",
    "num_outputs": "Pictures",
    "num_inference_steps": "Steps",
    "guidance_scale": "Guidance",
    "prompt_strength": "Strength",
    "input_image": "Input picture",
    "image": "Picture to repaint",
    "output_format": "File type",
    "output_quality": "File quality",
}


@dataclass(frozen=True, slots=True)
class Control:
    """One control: `kind` is its template, `default` what holds while it is left alone, empty where nobody says."""

    kind: str
    parameter: Parameter
    label: str
    default: str
    options: tuple[str, ...] = ()

    @property
    def step(self) -> str:
        return "1" if self.parameter.type == "integer" else "0.05"


@dataclass(frozen=True, slots=True)
class LoraPicker:
    """How a model is told of LoRAs: the parameters for their names and strengths, and how many there may be."""

    names: str
    scales: str
    most: int
    default: float


@dataclass(frozen=True, slots=True)
class Form:
    """The controls of one model: those that everybody needs, and the rest.

    `picture` names the parameter for an input picture; more than one, up to `most_pictures`, go into `input_images`.
    """

    usual: Sequence[Control]
    rest: Sequence[Control]
    picture: str | None
    most_pictures: int
    masked: bool
    loras: LoraPicker | None


def form_of(model: Model, serving: Mapping[str, Serving]) -> Form:
    """The form for a model."""
    controls = [
        _control(parameter, model, serving)
        for parameter in model.parameters
        if parameter.supported and parameter.name not in (*_ELSEWHERE, *_PICTURES, "mask")
    ]
    shown = [control for control in controls if control.kind != "none"]
    return Form(
        usual=[control for control in shown if control.parameter.name in _USUAL],
        rest=[control for control in shown if control.parameter.name not in _USUAL],
        picture=next((name for name in _PICTURES if model.parameter(name)), None),
        most_pictures=_most_pictures(model),
        masked=model.parameter("mask") is not None,
        loras=_loras(model),
    )


def _control(parameter: Parameter, model: Model, serving: Mapping[str, Serving]) -> Control:
    options = tuple(member.id for member in model.members) if parameter.name == "model" else parameter.enum or ()
    label = _LABELS.get(parameter.name, parameter.name.replace("_", " ").capitalize())
    return Control(_kind(parameter, model), parameter, label, _default(parameter, model.served_by(serving)), options)


def _kind(parameter: Parameter, model: Model) -> str:
    if parameter.name == "model":
        return "choice" if model.members else "none"
    if parameter.name == "seed":
        return "seed"
    if parameter.enum is not None:
        return "choice"
    if parameter.type == "boolean":
        return "switch"
    if parameter.type in ("integer", "number") and parameter.minimum is not None and parameter.maximum is not None:
        return "slider"
    return "line" if parameter.type == "string" else "none"


def _default(parameter: Parameter, served: Serving | None) -> str:
    return own_default(parameter, served) if parameter.default is None else str(parameter.default)


def _most_pictures(model: Model) -> int:
    several = model.parameter("input_images")
    return several.max_items or 1 if several is not None and several.supported else 1


def _loras(model: Model) -> LoraPicker | None:
    several = model.parameter("hf_loras")
    if several is not None and several.supported:
        return LoraPicker("hf_loras", "lora_scales", several.max_items or 1, SCALE_OF_SEVERAL)
    for name in ("lora_weights", "hf_lora"):
        one = model.parameter(name)
        if one is not None and one.supported:
            return LoraPicker(name, "lora_scale", 1, DEFAULT_SCALE)
    return None

"""From a request body to what shall be made, without touching anything outside: the rules across parameters."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from fluxhouse.catalog.loras import AskedLora, asked_loras
from fluxhouse.catalog.model import Model
from fluxhouse.catalog.parameter import Parameter, Value
from fluxhouse.catalog.schema import CUSTOM
from fluxhouse.catalog.sizes import fit, round_up
from fluxhouse.generation.errors import InvalidParameter
from fluxhouse.generation.image import InputImage
from fluxhouse.generation.moderation import USUAL_TOLERANCE
from fluxhouse.generation.request import Acceleration, GenerationRequest, OutputFormat, Task

IMAGE_FIELDS = ("input_image", "image_url")
REFERENCES = "input_images"
FILL_FIELDS = ("image", "mask")
RANDOM_SEED = -1
LEAST_STRENGTH = 0.001  # Backends refuse a variation without any step: this is the last step alone, at any step count.


@dataclass(frozen=True, slots=True, eq=False)
class Parsed:
    """A body that passed every rule that can be judged without looking at its input image.

    `model` is the entry asked, `serving` the family member that makes the images, `values` every parameter the member
    knows with its default filled in, `explicit_ratio` the ratio the caller really named.
    """

    model: Model
    serving: Model
    values: Mapping[str, Any]
    explicit_ratio: str | None
    input_values: tuple[tuple[str, str], ...]
    loras: tuple[AskedLora, ...] = ()

    @property
    def count(self) -> int:
        """How many images are asked for."""
        return int(self.values["num_outputs"])

    @property
    def price_micro(self) -> int:
        """Micro-credits of one image."""
        return self.serving.price_micro

    @property
    def task(self) -> Task:
        return self.serving.input_task if self.input_values else Task.GENERATE

    @property
    def webhook_url(self) -> str | None:
        """Where the end of the job shall be told; not yet checked beyond its spelling."""
        url = self.values.get("webhook_url")
        return None if url is None else str(url)

    def request(self, inputs: Sequence[InputImage], seed: int) -> GenerationRequest:
        """The request, complete but for the files of `loras`; `inputs` answer `input_values` one for one.

        `seed` holds where the body gave none or -1. Raises ValueError when the number of inputs differs.
        """
        if len(inputs) != len(self.input_values):
            raise ValueError(f"{len(self.input_values)} input images expected, {len(inputs)} given")
        width, height = self._pixels(inputs)
        asked = self.values["seed"]
        return GenerationRequest(
            model=self.serving.id,
            prompt=self.values["prompt"],
            width=width,
            height=height,
            seed=seed if asked is None or asked == RANDOM_SEED else asked,
            count=self.count,
            task=self.task,
            steps=self.values.get("num_inference_steps"),
            guidance=self.values.get("guidance_scale"),
            strength=max(self.values["prompt_strength"], LEAST_STRENGTH) if self.task is Task.VARY else None,
            inputs=tuple(image.key for image in inputs),
            format=OutputFormat(self.values.get("output_format", OutputFormat.PNG)),
            quality=self.values.get("output_quality", 80),
            acceleration=Acceleration(self.values.get("acceleration", Acceleration.NONE)),
            negative_prompt=self.values.get("negative_prompt"),
            tolerance=self.values.get("safety_tolerance", USUAL_TOLERANCE),
            upsample=self.values.get("prompt_upsampling", False),
            true_guidance=None if self.values.get("negative_prompt") is None else self.values["true_cfg_scale"],
        )

    def _pixels(self, inputs: Sequence[InputImage]) -> tuple[int, int]:
        if self.values.get("width") is not None:
            return round_up(self.values["width"]), round_up(self.values["height"])
        megapixels = self.values.get("megapixels")
        if self.explicit_ratio is None and inputs:
            square_width, square_height = self.serving.pixels("1:1", megapixels)
            return fit(inputs[0].width, inputs[0].height, square_width * square_height)
        return self.serving.pixels(self.explicit_ratio or "1:1", megapixels)


def parse(model: Model, body: Mapping[str, object]) -> Parsed:
    """Check a request body against a model; raises `InvalidParameter` or `UnsupportedParameter` with the field."""
    model.require_available()
    _refuse_unknown(model, body)
    serving = _selected(model, body)
    serving.require_available()
    _refuse_foreign(model, serving, body)
    values = {parameter.name: parameter.check(body.get(parameter.name)) for parameter in serving.parameters}
    ratio = body.get("aspect_ratio")
    explicit_ratio = ratio if isinstance(ratio, str) else None
    _check_size(values, explicit_ratio)
    inputs = _input_values(values)
    _check_strength(serving.parameter("prompt_strength"), values, inputs)
    _check_true_guidance(values)
    return Parsed(model, serving, values, explicit_ratio, inputs, asked_loras(values))


def _refuse_unknown(model: Model, body: Mapping[str, object]) -> None:
    names = {parameter.name for parameter in (*model.parameters, *model.foreign)}
    for name in body:
        if name not in names:
            known = ", ".join(parameter.name for parameter in model.parameters)
            shown = name[:100]
            raise InvalidParameter(f"`{shown}` is not a parameter of `{model.id}`; it takes: {known}.", field=shown)


def _selected(model: Model, body: Mapping[str, object]) -> Model:
    parameter = model.parameter("model")
    chosen = parameter.check(body.get("model")) if parameter is not None else None
    return next((member for member in model.members if member.id == chosen), model)


def _refuse_foreign(model: Model, serving: Model, body: Mapping[str, object]) -> None:
    for asked in (model, serving):
        for parameter in asked.foreign:
            parameter.check_default_only(body.get(parameter.name), asked.id)


def _check_size(values: Mapping[str, Value], ratio: str | None) -> None:
    width, height = values.get("width"), values.get("height")
    if width is None and height is None:
        if ratio == CUSTOM:
            raise InvalidParameter("`aspect_ratio` `custom` needs `width` and `height`.", field="width")
        return
    for name, side in (("width", width), ("height", height)):
        if side is None:
            raise InvalidParameter(f"`{name}` is missing: a custom size needs `width` and `height`.", field=name)
    if ratio not in (None, CUSTOM):
        raise InvalidParameter(
            f"`width` and `height` mean `aspect_ratio` `custom`; they cannot go with `{ratio}`.", field="aspect_ratio"
        )
    if values.get("megapixels") == "0.25":
        raise InvalidParameter("`megapixels` 0.25 cannot go with `width` and `height`.", field="megapixels")


def _input_values(values: Mapping[str, Any]) -> tuple[tuple[str, str], ...]:
    """The pictures named: for a Fill model the picture and its mask, for Kontext perhaps several, else at most one."""
    if filled := [(name, str(values[name])) for name in FILL_FIELDS if values.get(name) is not None]:
        return tuple(filled)
    given = [(name, str(values[name])) for name in IMAGE_FIELDS if values.get(name) is not None]
    if len({value for _, value in given}) > 1:
        raise InvalidParameter("`image_url` is another name of `input_image`: give one of the two.", field="image_url")
    several = [(REFERENCES, str(value)) for value in values.get(REFERENCES) or ()]
    if given and several:
        raise InvalidParameter(f"`{REFERENCES}` stands for `{given[0][0]}`: give one of the two.", field=REFERENCES)
    return tuple(several or given[:1])


def _check_strength(
    parameter: Parameter | None, values: Mapping[str, Value], inputs: Sequence[tuple[str, str]]
) -> None:
    if parameter is not None and not inputs and values[parameter.name] != parameter.default:
        raise InvalidParameter("`prompt_strength` needs `input_image`.", field=parameter.name)


def _check_true_guidance(values: Mapping[str, Value]) -> None:
    """Neither a negative prompt without effect nor an effect without a negative prompt."""
    negative, guided = values.get("negative_prompt") is not None, values.get("true_cfg_scale", 1) != 1
    if guided and not negative:
        raise InvalidParameter("`true_cfg_scale` needs `negative_prompt`.", field="true_cfg_scale")
    if negative and not guided:
        raise InvalidParameter("`negative_prompt` needs a `true_cfg_scale` above 1.", field="negative_prompt")

"""From a body of fal's to what is wanted."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from fluxhouse.catalog.loras import DEFAULT_SCALE, AskedLora
from fluxhouse.catalog.model import Model
from fluxhouse.catalog.parameter import Parameter
from fluxhouse.catalog.parsing import Parsed
from fluxhouse.catalog.sizes import fit, round_up
from fluxhouse.core.jobs import Terms
from fluxhouse.dialects.dialect import Door
from fluxhouse.dialects.fal import fields, wishes
from fluxhouse.dialects.fal.fields import ENHANCE, IMAGE_SIZE, LORAS, Endpoint
from fluxhouse.dialects.fal.spelling import ENDPOINT, SYNC_MODE
from fluxhouse.dialects.fal.wishes import Wishes
from fluxhouse.dialects.submitting import Wanted
from fluxhouse.generation.errors import InvalidParameter, RequestRejected, UnsupportedParameter
from fluxhouse.generation.image import InputImage
from fluxhouse.generation.moderation import USUAL_TOLERANCE
from fluxhouse.generation.request import Acceleration, GenerationRequest, Task

Values = Mapping[str, Any]

# Stands for a picture where only its being there is judged.
_PICTURE = "data:image/png;base64,"
_OF_LORA = ("path", "scale", "force")


@dataclass(frozen=True, slots=True)
class Asking:
    """Reads the bodies of one endpoint."""

    door: Door
    endpoint: Endpoint

    def wanted(self, body: Values, wished: Wishes) -> Wanted:
        """What a body wants made; raises `InvalidParameter` and `UnsupportedParameter`."""
        _check_known(self.endpoint, body)
        model = self.door.catalog.model(self.endpoint.model)
        values = _checked(self.endpoint, body)
        replace(model.word("prompt_upsampling"), name=ENHANCE).check(values.get(ENHANCE))
        shown = _shown(values)
        parsed = self._parsed(model, body.get("prompt"), values, len(shown))
        return Wanted(
            serving=parsed.serving.id,
            price_micro=parsed.price_micro,
            count=parsed.count,
            input_values=shown,
            make=self._complete(parsed, values, wished),
            webhook_url=wished.webhook_url,
            webhook_field=wishes.WEBHOOK,
            patience=wished.start_within,
            terms=Terms(
                remarks={ENDPOINT: self.endpoint.id, SYNC_MODE: values["sync_mode"]},
                deadline_for_start=wished.start_within is not None,
            ),
            loras=_loras(model, body.get(LORAS)) if LORAS in values else (),
        )

    def _parsed(self, model: Model, prompt: object, values: Values, shown: int) -> Parsed:
        native = {"prompt": prompt, "seed": values["seed"], "num_outputs": values["num_images"]}
        if model.input_task is Task.FILL:
            return self.door.catalog.parse(model.id, native | {"image": _PICTURE, "mask": _PICTURE})
        if shown:
            native["input_image"] = _PICTURE
        if "strength" in values:
            native["prompt_strength"] = values["strength"]
        parsed = self.door.catalog.parse(model.id, native)
        return replace(parsed, input_values=parsed.input_values * shown)

    def _complete(
        self, parsed: Parsed, values: Values, wished: Wishes
    ) -> Callable[[Sequence[InputImage], int], GenerationRequest]:
        """What completes the request, with what fal's words say beside the catalog's."""
        size = _pixels(parsed.serving, values)

        def make(inputs: Sequence[InputImage], seed: int) -> GenerationRequest:
            request = replace(
                parsed.request(inputs, seed),
                format=fields.FORMATS[values["output_format"]],
                steps=values.get("num_inference_steps"),
                guidance=values.get("guidance_scale") if self.endpoint.guided else None,
                acceleration=Acceleration(values.get("acceleration", Acceleration.NONE)),
                share=wished.share,
                upsample=values.get(ENHANCE, False),
                tolerance=_tolerance(values),
            )
            return request if size is None else replace(request, width=size[0], height=size[1])

        return make


def _check_known(endpoint: Endpoint, body: Values) -> None:
    for name in body:
        if name not in fields.EVERY_FIELD:
            known = ", ".join(["prompt", *(field.name for field in endpoint.fields)])
            shown = name[:100]
            raise InvalidParameter(f"`{shown}` is not a field of {endpoint.id}; there are: {known}.", field=shown)


def _checked(endpoint: Endpoint, body: Values) -> dict[str, Any]:
    """Every field with its value or default; an image size in pixels."""
    values: dict[str, Any] = {}
    for field in endpoint.fields:
        sent = body.get(field.name)
        if field.name == IMAGE_SIZE:
            values[IMAGE_SIZE] = _size(field, sent)
        else:
            values[field.name] = None if field.name == LORAS else field.check(sent)
    return values


def _size(field: Parameter, sent: object) -> tuple[int, int] | None:
    """Width and height in pixels, None where the picture decides."""
    if not isinstance(sent, dict):
        preset = field.check(sent)
        return None if preset is None else fields.PRESETS[str(preset)]
    if unknown := [name for name in sent if name not in ("width", "height")]:
        shown = unknown[0][:100]
        raise InvalidParameter(f"`{shown}`: an image_size has `width` and `height`.", field=f"{IMAGE_SIZE}.{shown}")
    width, height = (_side(name, sent.get(name)) for name in ("width", "height"))
    return width, height


def _side(name: str, sent: object) -> int:
    side = Parameter(
        name=f"{IMAGE_SIZE}.{name}",
        type="integer",
        default=fields.DEFAULT_SIDE,
        minimum=fields.SHORTEST_SIDE,
        maximum=fields.LONGEST_SIDE,
    )
    return round_up(int(side.check(sent)))  # type: ignore[arg-type]


def _shown(values: Values) -> list[tuple[str, str]]:
    """The pictures of a body, by the fields that name them."""
    shown = [("image_urls", url) for url in values.get("image_urls") or ()]
    if "image_urls" in values and not shown:
        raise InvalidParameter("`image_urls` must name a picture at least.", field="image_urls")
    return shown + [(name, values[name]) for name in ("image_url", "mask_url") if values.get(name) is not None]


def _pixels(model: Model, values: Values) -> tuple[int, int] | None:
    """Width and height in pixels, None where the pictures decide."""
    if values.get(IMAGE_SIZE) is not None:
        width, height = values[IMAGE_SIZE]
        return int(width), int(height)
    ratio = values.get("aspect_ratio") or values.get("resolution_mode")
    if ratio is None or ratio in fields.MATCH_INPUT:
        return None
    if ratio in model.aspect_ratios:
        return model.aspect_ratios[ratio]
    wide, high = model.aspect_ratios["1:1"]
    width, height = (int(side) for side in ratio.split(":"))
    return fit(width, height, wide * high)


def _tolerance(values: Values) -> int | None:
    """How much a safety checker lets pass; None where it shall not look."""
    if values.get("enable_safety_checker") is False:
        return None
    return int(values.get("safety_tolerance", USUAL_TOLERANCE))


def _loras(model: Model, sent: object) -> tuple[AskedLora, ...]:
    """The LoRAs asked for, checked as the catalog checks its own list of them."""
    if sent is None:
        return ()
    if not isinstance(sent, list) or not all(isinstance(item, dict) for item in sent):
        raise InvalidParameter("`loras` must be an array of objects of `path` and perhaps `scale`.", field=LORAS)
    listed = model.word("customLoras")
    items = [_native_lora(item) for item in sent]
    try:
        checked = replace(listed, name=LORAS, supported=True).check(items)
    except RequestRejected as error:
        raise type(error)(error.message.replace("`id` or `url`", "`path`"), field=LORAS) from None
    assert isinstance(checked, list)
    return tuple(AskedLora(LORAS, item["url"], item.get("scale", DEFAULT_SCALE)) for item in checked)


def _native_lora(item: Mapping[str, Any]) -> dict[str, Any]:
    if unknown := [name for name in item if name not in _OF_LORA]:
        shown = unknown[0][:100]
        raise InvalidParameter(f"`{shown}`: a LoRA has {', '.join(_OF_LORA)}.", field=f"{LORAS}.{shown}")
    if item.get("force") not in (None, False):
        raise UnsupportedParameter("`force` is not supported by this installation: leave it out.", field=LORAS)
    return {"url": item.get("path"), "scale": item.get("scale")}

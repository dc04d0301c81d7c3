"""From a body of BFL's to what is wanted."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from fluxhouse.catalog.model import Model
from fluxhouse.catalog.parsing import Parsed
from fluxhouse.catalog.sizes import WIDEST, fit
from fluxhouse.core.jobs import Terms
from fluxhouse.dialects.bfl.answers import SECRET, WEBHOOK_URL
from fluxhouse.dialects.bfl.fields import EVERY_FIELD, FORMATS, GRID, INPUT_IMAGES, UPSAMPLING, Endpoint
from fluxhouse.dialects.dialect import Door
from fluxhouse.dialects.intake import FILE_PREFIX, AlphaMask, InputValue
from fluxhouse.dialects.submitting import Wanted
from fluxhouse.generation.errors import InvalidParameter
from fluxhouse.generation.image import InputImage
from fluxhouse.generation.request import GenerationRequest, Task

Values = Mapping[str, Any]

# Stands for a picture where only its being there is judged.
_PICTURE = "data:image/png;base64,"
_ADDRESSED = ("http://", "https://", "data:", FILE_PREFIX)


@dataclass(frozen=True, slots=True)
class Asking:
    """Reads the bodies of one endpoint."""

    door: Door
    endpoint: Endpoint

    def wanted(self, body: Values) -> Wanted:
        """What a body wants made; raises `InvalidParameter` and `UnsupportedParameter`."""
        model = self.door.catalog.model(self.endpoint.model)
        for name in body:
            if name not in EVERY_FIELD:
                known = ", ".join(["prompt", *(field.name for field in self.endpoint.fields)])
                shown = name[:100]
                message = f"`{shown}` is not a field of {self.endpoint.name}; there are: {known}."
                raise InvalidParameter(message, field=shown)
        values: dict[str, Any] = {field.name: field.check(body.get(field.name)) for field in self.endpoint.fields}
        model.word(UPSAMPLING).check(values[UPSAMPLING])
        shown_values = _shown(model, values)
        parsed = self._parsed(model, body.get("prompt"), values, len(shown_values))
        return Wanted(
            serving=parsed.serving.id,
            price_micro=parsed.price_micro,
            count=parsed.count,
            input_values=shown_values,
            make=_complete(parsed, values),
            webhook_url=values[WEBHOOK_URL],
            webhook_field=WEBHOOK_URL,
            terms=Terms(remarks={name: values[name] for name in (WEBHOOK_URL, SECRET) if values[name] is not None}),
        )

    def _parsed(self, model: Model, prompt: object, values: Values, shown: int) -> Parsed:
        native = {"prompt": prompt, "seed": values["seed"]}
        if model.input_task is Task.FILL:
            native |= {"image": _PICTURE, "mask": _PICTURE}
        elif shown:
            native["input_image"] = _PICTURE
        parsed = self.door.catalog.parse(model.id, native)
        return parsed if model.input_task is Task.FILL else replace(parsed, input_values=parsed.input_values * shown)


def _shown(model: Model, values: Values) -> list[tuple[str, InputValue]]:
    """The pictures of a body; a Fill model without a mask finds it in the transparency of its picture."""
    if model.input_task is not Task.FILL:
        return [(name, _named(values[name])) for name in INPUT_IMAGES if values.get(name) is not None]
    image, mask = _named(values["image"]), values["mask"]
    return [("image", image), ("image", AlphaMask(image)) if mask is None else ("mask", _named(mask))]


def _named(picture: str) -> str:
    """A picture as the intake takes it: base64 without more becomes a data URI."""
    return picture if picture.startswith(_ADDRESSED) else _PICTURE + picture


def _complete(parsed: Parsed, values: Values) -> Callable[[Sequence[InputImage], int], GenerationRequest]:
    """What completes the request, with what BFL's words say beside the catalog's."""
    size = _pixels(parsed.serving, values)

    def make(inputs: Sequence[InputImage], seed: int) -> GenerationRequest:
        request = replace(
            parsed.request(inputs, seed),
            format=FORMATS[values["output_format"]],
            steps=values.get("steps"),
            guidance=values.get("guidance"),
            upsample=values[UPSAMPLING],
            tolerance=values["safety_tolerance"],
        )
        return request if size is None else replace(request, width=size[0], height=size[1])

    return make


def _pixels(model: Model, values: Values) -> tuple[int, int] | None:
    """Width and height in pixels, None where the pictures decide; raises `InvalidParameter`."""
    if "width" in values:
        for name in ("width", "height"):
            if values[name] % GRID:
                raise InvalidParameter(f"`{name}` must be a multiple of {GRID}.", field=name)
        return values["width"], values["height"]
    ratio = values.get("aspect_ratio")
    if ratio is None:
        return None
    if ratio in model.aspect_ratios:
        return model.aspect_ratios[ratio]
    width, height = (int(side) for side in ratio.split(":"))
    if not 1 / WIDEST <= width / height <= WIDEST:
        raise InvalidParameter("`aspect_ratio` must be from 21:9 to 9:21.", field="aspect_ratio")
    wide, high = model.aspect_ratios["1:1"]
    return fit(width, height, wide * high)

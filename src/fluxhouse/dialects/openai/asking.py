"""From a body of OpenAI's to what is wanted: its fields in our words, checked by the model's own parameters."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from fluxhouse.catalog.model import Model
from fluxhouse.catalog.parameter import Parameter
from fluxhouse.catalog.parsing import Parsed
from fluxhouse.core.jobs import Terms
from fluxhouse.dialects.dialect import Door
from fluxhouse.dialects.intake import AlphaMask, InputValue
from fluxhouse.dialects.openai import fields
from fluxhouse.dialects.openai.answers import B64, FORMATS
from fluxhouse.dialects.openai.models import GPT_IMAGE, asked
from fluxhouse.dialects.submitting import Wanted
from fluxhouse.generation.errors import InvalidParameter, RequestRejected
from fluxhouse.generation.image import InputImage
from fluxhouse.generation.request import GenerationRequest, Task

Values = Mapping[str, Any]

# Stands for a picture where only its being there is judged.
_PICTURE = "data:image/png;base64,"
_LESS, _MORE = 0.5, 1.5  # times the steps of the serving backend, for the qualities low and high
_LOW_MODERATION = 6  # the most that `safety_tolerance` lets pass


@dataclass(frozen=True, slots=True)
class Picture:
    """An input picture: the field it came in, and its bytes, or text that names it."""

    field: str
    value: str | bytes


@dataclass(frozen=True, slots=True)
class Shown:
    """The pictures of an edit: what is edited, and the mask whose transparent pixels say where."""

    images: Sequence[Picture] = ()
    masks: Sequence[Picture] = ()

    @property
    def task(self) -> Task:
        return Task.GENERATE if not self.images else Task.FILL if self.masks else Task.EDIT

    @property
    def input_values(self) -> list[tuple[str, InputValue]]:
        """The pictures as the intake takes them."""
        values: list[tuple[str, InputValue]] = [(image.field, image.value) for image in self.images]
        return values + [(mask.field, AlphaMask(mask.value)) for mask in self.masks]


NOTHING_SHOWN = Shown()


class Asking:
    """Reads the bodies of one operation, whose fields are `known`; of a form all of them are text."""

    def __init__(self, door: Door, known: Sequence[Parameter]) -> None:
        self._door = door
        self._known = known

    def wanted(self, body: Values, shown: Shown = NOTHING_SHOWN, *, of_form: bool = False) -> Wanted:
        """What a body wants made, from what is shown; raises `UnknownModel`, `InvalidParameter` and the like."""
        named = body.get("model")
        model = asked(self._door.catalog, self._door.options.serving, fields.MODEL.check(named), shown.task)
        own = fields.beside(model)
        fields.check_known(body, ["prompt", *(field.name for field in (*self._known, *own))])
        if of_form:
            body = {**body, **{field.name: fields.typed(field, body.get(field.name)) for field in (*self._known, *own)}}
        values = fields.checked(self._known, body)
        native = {field.name: body[field.name] for field in own if body.get(field.name) is not None}
        parsed = self._parsed(model, native | {"prompt": body.get("prompt")}, values, shown)
        return Wanted(
            serving=parsed.serving.id,
            price_micro=parsed.price_micro,
            count=parsed.count,
            input_values=shown.input_values,
            loras=parsed.loras,
            make=_completed(parsed, fields.pixels(values["size"], parsed.serving), lenient=_is_lenient(values, native)),
            webhook_url=None,
            webhook_field="",
            model=model.id,
            terms=Terms(remarks=_remarks(named, values)),
        )

    def _parsed(self, model: Model, native: dict[str, Any], values: Values, shown: Shown) -> Parsed:
        """The body in the words of the catalog, through every rule of the model."""
        native |= {"num_outputs": values["n"], "output_format": FORMATS[values["output_format"]].value}
        if values["output_format"] != "png":
            native["output_quality"] = values["output_compression"]
        native |= _pictures(model, shown)
        parsed = _in_its_words(lambda: self._door.catalog.parse(model.id, native))
        if parsed.task is Task.EDIT:
            parsed = replace(parsed, input_values=parsed.input_values * len(shown.images))
        _check_pictures(parsed, shown, values.get("input_fidelity"))
        return self._of_quality(parsed, values["quality"], native.get("num_inference_steps"))

    def _of_quality(self, parsed: Parsed, quality: str, steps: object) -> Parsed:
        """With the steps that the quality means."""
        word = fields.QUALITIES[quality]
        if word in ("auto", "medium"):
            return parsed
        if steps is not None:
            message = "`quality` and `num_inference_steps` both say how many steps: give one of the two."
            raise InvalidParameter(message, field="quality")
        parameter = parsed.serving.parameter("num_inference_steps")
        serving = self._door.options.serving.get(parsed.serving.id)
        if parameter is None or serving is None:
            message = f"`{parsed.serving.id}` has one quality: leave `quality` out, or send auto, medium or standard."
            raise InvalidParameter(message, field="quality")
        most = serving.steps if parameter.maximum is None else int(parameter.maximum)
        chosen = min(most, max(1, round(serving.steps * (_LESS if word == "low" else _MORE))))
        return replace(parsed, values={**parsed.values, "num_inference_steps": chosen})


def _in_its_words(parse: Callable[[], Parsed]) -> Parsed:
    """What `parse` gives; its errors name OpenAI's field where it has one."""
    try:
        return parse()
    except RequestRejected as error:
        word = fields.RENAMED.get(error.field or "")
        if word is None:
            raise
        raise type(error)(error.message.replace(f"`{error.field}`", f"`{word}`"), field=word) from None


def _pictures(model: Model, shown: Shown) -> dict[str, str]:
    """What says in the catalog's words that there are pictures; raises `InvalidParameter` for a mask out of place."""
    if model.input_task is Task.FILL:
        given = {"image": shown.images, "mask": shown.masks}
        return {name: _PICTURE for name, pictures in given.items() if pictures}
    if shown.masks:
        raise InvalidParameter(
            f"`{model.id}` takes no `mask`; a Fill model such as `flux-fill-dev` does.", field="mask"
        )
    return {"input_image": _PICTURE} if shown.images else {}


def _check_pictures(parsed: Parsed, shown: Shown, fidelity: str | None) -> None:
    most = fields.MOST_IMAGES if parsed.task is Task.EDIT else 1
    if len(shown.images) > most:
        message = f"`{parsed.serving.id}` takes at most {most} of `image`, not {len(shown.images)}."
        raise InvalidParameter(message, field=shown.images[0].field)
    if fidelity == "high" and parsed.task is Task.VARY:
        message = "`input_fidelity` high needs a Kontext model; elsewhere `prompt_strength` says how far to go."
        raise InvalidParameter(message, field="input_fidelity")


def _is_lenient(values: Values, native: Values) -> bool:
    """Whether little moderation is wished for, and not in the catalog's own words how much."""
    return values.get("moderation") == "low" and "safety_tolerance" not in native


def _completed(
    parsed: Parsed, size: tuple[int, int] | None, *, lenient: bool
) -> Callable[[Sequence[InputImage], int], GenerationRequest]:
    """What completes the request, in the size asked for where one was."""

    def make(inputs: Sequence[InputImage], seed: int) -> GenerationRequest:
        request = parsed.request(inputs, seed)
        request = replace(request, tolerance=_LOW_MODERATION) if lenient else request
        return request if size is None else replace(request, width=size[0], height=size[1])

    return make


def _remarks(named: object, values: Values) -> dict[str, Any]:
    """What the answer needs to know; OpenAI's image models of today answer in base64 unless told otherwise."""
    usual = B64 if values["stream"] or str(named).startswith(GPT_IMAGE) else "url"
    return {
        "response_format": values["response_format"] or usual,
        "quality": fields.QUALITIES[values["quality"]],
        "stream": values["stream"],
        "partial_images": values["partial_images"],
    }

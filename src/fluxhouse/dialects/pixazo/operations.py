"""Pixazo's two submit operations: the parameters of each, and how a body becomes a request."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from fluxhouse.catalog.model import Model
from fluxhouse.catalog.parameter import Parameter
from fluxhouse.catalog.sizes import fit
from fluxhouse.generation.errors import InvalidParameter
from fluxhouse.generation.image import InputImage
from fluxhouse.generation.moderation import USUAL_TOLERANCE
from fluxhouse.generation.request import Acceleration, GenerationRequest, OutputFormat, Task

MODEL_ID = "flux-dev"
WEBHOOK_HEADER = "X-Webhook-URL"

# Width and height in pixels of each preset: fal's, of which Pixazo prints only landscape_4_3.
IMAGE_SIZES: Mapping[str, tuple[int, int]] = {
    "square_hd": (1024, 1024),
    "square": (512, 512),
    "portrait_4_3": (768, 1024),
    "portrait_16_9": (576, 1024),
    "landscape_4_3": (1024, 768),
    "landscape_16_9": (1024, 576),
}
_VARIED_AREA = 1024 * 1024  # pixels of a picture made from another one
_RANDOM_SEED = -1
_FORMATS: Mapping[str, OutputFormat] = {"jpeg": OutputFormat.JPEG, "png": OutputFormat.PNG}

_IMAGE_SIZE = Parameter(
    name="image_size",
    type="string",
    default="landscape_4_3",
    enum=tuple(IMAGE_SIZES),
    description="Shape of the picture, by the name of a preset.",
)
_STRENGTH = Parameter(
    name="strength",
    type="number",
    default=0.95,
    minimum=0.01,
    maximum=1,
    description="How far the picture may leave the one at `image_url`. 1 takes no notice of it.",
)
_SHARED = (
    Parameter(
        name="num_inference_steps",
        type="integer",
        minimum=1,
        maximum=50,
        description="Denoising steps. Without it the serving backend's own number.",
    ),
    Parameter(
        name="guidance_scale",
        type="number",
        minimum=1,
        maximum=20,
        description="How closely the picture follows the prompt. Without it the serving backend's own value.",
    ),
    Parameter(
        name="num_images",
        type="integer",
        default=1,
        minimum=1,
        maximum=4,
        description="How many pictures; each costs the price. Picture i has the seed `seed` + i.",
    ),
    Parameter(
        name="enable_safety_checker",
        type="boolean",
        default=True,
        description="Whether a safety checker looks. Where the operator has configured none, nobody does, either way.",
    ),
    Parameter(
        name="output_format",
        type="string",
        default="jpeg",
        enum=tuple(_FORMATS),
        description="File type of the pictures.",
    ),
    Parameter(
        name="acceleration",
        type="string",
        default=Acceleration.NONE.value,
        enum=tuple(speed.value for speed in Acceleration),
        description="How much exactness may be traded for speed: a permission, never a duty.",
    ),
    Parameter(
        name="sync_mode",
        type="boolean",
        default=False,
        supported=False,
        description="Wait for the picture and answer with its bytes.",
    ),
)


@dataclass(frozen=True, slots=True)
class Asked:
    """A body that passed: every parameter of its operation with its default filled in."""

    values: Mapping[str, Any]

    @property
    def input_values(self) -> tuple[tuple[str, str], ...]:
        """Field and value of the input image, if the operation takes one."""
        return (("image_url", self.values["image_url"]),) if "image_url" in self.values else ()

    def request(self, inputs: Sequence[InputImage], seed: int) -> GenerationRequest:
        """The complete request; `inputs` answer `input_values`, and `seed` holds where the body gave none or -1."""
        width, height = self._pixels(inputs)
        asked = self.values["seed"]
        return GenerationRequest(
            model=MODEL_ID,
            prompt=self.values["prompt"],
            width=width,
            height=height,
            seed=seed if asked is None or asked == _RANDOM_SEED else asked,
            count=self.values["num_images"],
            task=Task.VARY if inputs else Task.GENERATE,
            steps=self.values["num_inference_steps"],
            guidance=self.values["guidance_scale"],
            strength=self.values["strength"] if inputs else None,
            inputs=tuple(image.key for image in inputs),
            format=_FORMATS[self.values["output_format"]],
            acceleration=Acceleration(self.values["acceleration"]),
            tolerance=USUAL_TOLERANCE if self.values["enable_safety_checker"] else None,
        )

    def _pixels(self, inputs: Sequence[InputImage]) -> tuple[int, int]:
        if inputs:
            return fit(inputs[0].width, inputs[0].height, _VARIED_AREA)
        return IMAGE_SIZES[self.values["image_size"]]


@dataclass(frozen=True, slots=True)
class Operation:
    """One way to submit: its name, the last part of its path, and the parameters it takes."""

    name: str
    parameters: tuple[Parameter, ...]

    @property
    def path(self) -> str:
        return f"/flux-dev/v1/dev/{self.name}"

    def parse(self, body: Mapping[str, object]) -> Asked:
        """Check a body, without any input or output.

        Raises `InvalidParameter` or `UnsupportedParameter` with the field, also for a field the operation lacks.
        """
        refuse_unknown(body, self.name, [parameter.name for parameter in self.parameters])
        return Asked({parameter.name: parameter.check(body.get(parameter.name)) for parameter in self.parameters})


def operations(model: Model) -> tuple[Operation, Operation]:
    """`textToImage` and `imageToImage`; what their words share with `model`, the catalog's Flux Dev, comes from it."""
    prompt, seed = _of(model, "prompt"), _of(model, "seed")
    image_url = replace(
        _of(model, "image_url"),
        required=True,
        description="The picture to start from: an http(s) URL, a data URI, or the id of an uploaded file.",
    )
    return (
        Operation("textToImage", (prompt, _IMAGE_SIZE, *_SHARED, seed)),
        Operation("imageToImage", (image_url, prompt, _STRENGTH, *_SHARED, seed)),
    )


def webhook_parameter(model: Model) -> Parameter:
    """The header that asks for a webhook: the native parameter under another name."""
    return replace(_of(model, "webhook_url"), name=WEBHOOK_HEADER)


def refuse_unknown(body: Mapping[str, object], operation: str, names: Sequence[str]) -> None:
    """Raise `InvalidParameter` for the first field that is not among `names`."""
    for name in body:
        if name not in names:
            shown = name[:100]
            raise InvalidParameter(
                f"`{shown}` is not a parameter of {operation}; it takes: {', '.join(names)}.", field=shown
            )


def _of(model: Model, name: str) -> Parameter:
    return next(parameter for parameter in model.parameters if parameter.name == name)

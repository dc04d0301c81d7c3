"""What is asked of a backend: one complete request for one or more images."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any

from fluxhouse.generation.moderation import USUAL_TOLERANCE


class Task(StrEnum):
    """How the input images, if any, take part."""

    GENERATE = "generate"  # text to image
    VARY = "vary"  # image to image: start from the noised input, `strength` says how far back
    EDIT = "edit"  # Kontext: the inputs are reference tokens beside the noise
    FILL = "fill"  # repaint what a mask covers


class OutputFormat(StrEnum):
    """File formats of an output, by their catalog names."""

    PNG = "png"
    JPEG = "jpg"
    WEBP = "webp"

    @property
    def content_type(self) -> str:
        return "image/jpeg" if self is OutputFormat.JPEG else f"image/{self.value}"

    @classmethod
    def of_file(cls, name: str) -> OutputFormat | None:
        """By the file's ending; None for any other."""
        ending = name.rpartition(".")[2]
        return next((format for format in cls if format.value == ending), None)


class Acceleration(StrEnum):
    """How much exactness a caller trades for speed; see docs/architecture.md."""

    NONE = "none"
    REGULAR = "regular"
    HIGH = "high"


@dataclass(frozen=True, slots=True)
class Lora:
    """A small addition to the model: `path` is the storage key of its file, named by content; `scale` its strength."""

    path: str
    scale: float


@dataclass(frozen=True, slots=True)
class GenerationRequest:
    """One request, complete: no default in it depends on who asks or when.

    `width` and `height` are the pixels of the answer. `seed` is the first image's; image i has `seed + i` modulo 2**32.
    `steps` and `guidance` are None where the serving backend's own default shall hold.
    `inputs` are storage keys of input images, for `Task.FILL` the picture and its mask, white where it is repainted.
    A backend receives `inputs` and after them the files of `loras` as paths, in this order.
    A `negative_prompt` counts where `true_guidance` is above 1, at twice the work: the velocity is then the negative
    prompt's and `true_guidance` times the difference from there to the prompt's.
    `share` is how much of a busy device the request gets beside others of share 1; the operator's choice.
    `tolerance` says what a safety checker lets pass, see `moderation.threshold`; None where it shall not look.
    With `upsample` a language model shall write the prompt out before a backend sees it; `asked_prompt` is what was
    asked where it has, and `prompt` its words.
    """

    model: str
    prompt: str
    width: int
    height: int
    seed: int
    count: int = 1
    task: Task = Task.GENERATE
    steps: int | None = None
    guidance: float | None = None
    strength: float | None = None
    inputs: tuple[str, ...] = ()
    format: OutputFormat = OutputFormat.PNG
    quality: int = 80
    acceleration: Acceleration = Acceleration.NONE
    negative_prompt: str | None = None
    true_guidance: float | None = None
    loras: tuple[Lora, ...] = ()
    share: float = 1.0
    tolerance: int | None = USUAL_TOLERANCE
    upsample: bool = False
    asked_prompt: str | None = None

    def image_seed(self, index: int) -> int:
        """The seed of image `index`, counted from 0."""
        return (self.seed + index) % 2**32

    def to_json(self) -> dict[str, Any]:
        """A JSON-ready mapping that `from_json` restores.

        What a request does not use of the later fields is left out, so that an earlier version can read it.
        """
        unused = {name for name, absent in _LATER.items() if getattr(self, name) == absent}
        fields = {name: value for name, value in asdict(self).items() if name not in unused}
        return fields | {"inputs": list(self.inputs)}

    @classmethod
    def from_json(cls, fields: dict[str, Any]) -> GenerationRequest:
        return cls(
            **fields
            | {
                "task": Task(fields["task"]),
                "inputs": tuple(fields["inputs"]),
                "format": OutputFormat(fields["format"]),
                "acceleration": Acceleration(fields["acceleration"]),
                "loras": tuple(Lora(**lora) for lora in fields.get("loras", ())),
            }
        )


_LATER = {
    "negative_prompt": None,
    "true_guidance": None,
    "loras": (),
    "share": 1.0,
    "tolerance": USUAL_TOLERANCE,
    "upsample": False,
    "asked_prompt": None,
}
"""Fields that jobs of the first version lack, with what their absence means."""

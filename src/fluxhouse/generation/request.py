"""What is asked of a backend: one complete request for one or more images."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any


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


class Acceleration(StrEnum):
    """How much exactness a caller trades for speed; see docs/architecture.md."""

    NONE = "none"
    REGULAR = "regular"
    HIGH = "high"


@dataclass(frozen=True, slots=True)
class GenerationRequest:
    """One request, complete: no default in it depends on who asks or when.

    `width` and `height` are the pixels of the answer. `seed` is the first image's; image i has `seed + i` modulo 2**32.
    `steps` and `guidance` are None where the serving backend's own default shall hold.
    `inputs` are storage keys of input images; a backend receives them as paths, in this order.
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

    def image_seed(self, index: int) -> int:
        """The seed of image `index`, counted from 0."""
        return (self.seed + index) % 2**32

    def to_json(self) -> dict[str, Any]:
        """A JSON-ready mapping that `from_json` restores."""
        return asdict(self) | {"inputs": list(self.inputs)}

    @classmethod
    def from_json(cls, fields: dict[str, Any]) -> GenerationRequest:
        return cls(
            **fields
            | {
                "task": Task(fields["task"]),
                "inputs": tuple(fields["inputs"]),
                "format": OutputFormat(fields["format"]),
                "acceleration": Acceleration(fields["acceleration"]),
            }
        )

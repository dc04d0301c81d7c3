"""The one protocol by which images are made, whoever makes them, and the progress it yields."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from fluxhouse.generation.image import MadeImage
from fluxhouse.generation.moderation import Moderation
from fluxhouse.generation.request import GenerationRequest


@dataclass(frozen=True, slots=True)
class StepDone:
    """Denoising step `step` of `steps` (counted from 1) of image `index` has ended."""

    index: int
    step: int
    steps: int
    seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class Preview:
    """A small picture (at most 256 px, JPEG) of how image `index` looks after `step`."""

    index: int
    step: int
    content: bytes


@dataclass(frozen=True, slots=True)
class Finished:
    """The last event of a request: seconds the backend spent on it, waiting excluded."""

    inference_seconds: float


Progress = StepDone | Preview | MadeImage | Finished


class Backend(Protocol):
    """Makes images: the engine, or a provider."""

    @property
    def name(self) -> str:
        """What `servedBy` says, such as `fluxhouse-builtin`."""

    @property
    def slots(self) -> int:
        """How many requests it can usefully hold at once."""

    def generate(self, request: GenerationRequest, inputs: Sequence[Path]) -> AsyncIterator[Progress]:
        """Yield the progress of a request, each image when it is finished, and `Finished` last.

        `inputs` are the files of `request.inputs` and then those of `request.loras`, in their order.
        Closing the iterator cancels the request within one step. Raises `GenerationFailed` (`EngineDied` when the
        process that held it is gone). The same request and inputs yield the same image bytes.
        """


@dataclass(frozen=True, slots=True)
class Serving:
    """Who serves a model here, the backend's own defaults where a contract prints none, and who moderates."""

    backend: str
    steps: int
    guidance: float | None
    moderation: Moderation = Moderation.NONE

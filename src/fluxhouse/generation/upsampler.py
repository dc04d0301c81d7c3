"""Who writes a prompt out before pictures are made from it."""

from __future__ import annotations

from typing import Protocol

from fluxhouse.generation.request import GenerationRequest


class Upsampler(Protocol):
    """A language model, wherever it runs."""

    async def upsample(self, request: GenerationRequest) -> str:
        """The request's prompt in richer words: of a picture, or for `Task.EDIT` of what shall change in one.

        One line that is not empty; another one each time. Raises `UpsamplingFailed`.
        """

"""Who makes the pictures that are scored: the painter itself, or a server."""

from __future__ import annotations

from dataclasses import dataclass
from io import BytesIO
from typing import Protocol

import numpy as np
from PIL import Image

from fluxhouse.builtin.painter.edits import Edit
from fluxhouse.builtin.painter.paint import paint
from fluxhouse.builtin.painter.scene import Scene
from fluxhouse.builtin.scoring import Picture
from fluxhouse.client import Client


class Source(Protocol):
    """Makes pictures of words."""

    def make(self, scene: Scene, prompt: str, seed: int) -> Picture:
        """The picture of a prompt; only the painter looks at the scene."""

    def edit(self, edit: Edit, before: Picture, seed: int) -> Picture:
        """The picture with the instruction followed; only the painter looks at the scene after it."""


@dataclass(frozen=True, slots=True)
class Painter:
    """The painter, which knows the scene: what it scores is the reader's own accuracy."""

    size: int

    def make(self, scene: Scene, prompt: str, seed: int) -> Picture:  # noqa: ARG002  # it reads no words
        """The scene painted."""
        return paint(scene, self.size, self.size)

    def edit(self, edit: Edit, before: Picture, seed: int) -> Picture:  # noqa: ARG002
        """The scene after the edit painted."""
        return paint(edit.after, self.size, self.size)


@dataclass(frozen=True, slots=True)
class Installation:
    """A server's models, asked as any client asks; raises `FluxhouseError`."""

    client: Client
    model: str
    edit_model: str
    size: int

    def make(self, scene: Scene, prompt: str, seed: int) -> Picture:  # noqa: ARG002
        """The model's picture of the prompt."""
        job = self.client.run(self.model, prompt, seed=seed, width=self.size, height=self.size)
        return _decoded(job.images[0].read())

    def edit(self, edit: Edit, before: Picture, seed: int) -> Picture:
        """The edit model's picture of the instruction."""
        uploaded = self.client.upload(encoded(before))
        pixels = "0.25" if self.size <= 512 else "1"
        job = self.client.run(self.edit_model, edit.instruction, input_image=uploaded, seed=seed, megapixels=pixels)
        return _decoded(job.images[0].read())


def encoded(picture: Picture) -> bytes:
    """The picture as PNG."""
    content = BytesIO()
    Image.fromarray(picture).save(content, "png")
    return content.getvalue()


def _decoded(content: bytes) -> Picture:
    return np.asarray(Image.open(BytesIO(content)).convert("RGB"))

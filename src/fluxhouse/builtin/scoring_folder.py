"""Pictures of a checkpoint in a diffusers folder, made by diffusers' own pipelines, to score it without a server."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from diffusers import FluxKontextPipeline, FluxPipeline
from PIL import Image

from fluxhouse.builtin import DEFAULT_GUIDANCE, DEFAULT_STEPS
from fluxhouse.builtin.painter.edits import Edit
from fluxhouse.builtin.painter.scene import Scene
from fluxhouse.builtin.scoring import Picture


class Folder:
    """A checkpoint as diffusers runs it, with the built-in model's own steps and guidance."""

    def __init__(self, folder: Path, size: int) -> None:
        self._prompts: Any = FluxPipeline.from_pretrained(folder, torch_dtype=torch.float32)
        self._edits: Any = FluxKontextPipeline(**self._prompts.components)
        for pipeline in (self._prompts, self._edits):
            pipeline.set_progress_bar_config(disable=True)
        self._size = size

    def make(self, scene: Scene, prompt: str, seed: int) -> Picture:  # noqa: ARG002  # only the painter looks at it
        """The picture of a prompt."""
        return self._run(self._prompts, prompt, seed)

    def edit(self, edit: Edit, before: Picture, seed: int) -> Picture:
        """The picture with the instruction followed."""
        shown = Image.fromarray(before)
        return self._run(self._edits, edit.instruction, seed, image=shown, max_area=self._size**2, _auto_resize=False)

    def _run(self, pipeline: Any, words: str, seed: int, **more: Any) -> Picture:
        (picture,) = pipeline(
            prompt=words,
            width=self._size,
            height=self._size,
            num_inference_steps=DEFAULT_STEPS,
            guidance_scale=DEFAULT_GUIDANCE,
            max_sequence_length=pipeline.tokenizer_2.model_max_length,
            generator=torch.Generator("cpu").manual_seed(seed),
            **more,
        ).images
        return np.asarray(picture.convert("RGB"))

"""The safety checker in memory: says how unsafe a finished picture looks, whatever it was made of."""

from __future__ import annotations

import math
from typing import Any

import torch
from PIL import Image
from safetensors import SafetensorError
from transformers import AutoImageProcessor, AutoModelForImageClassification

from fluxhouse.engine.checkers import CHECKER_DTYPE, StoredChecker
from fluxhouse.engine.device import beside, device_errors
from fluxhouse.generation.errors import GenerationFailed, WeightsUnavailable
from fluxhouse.generation.moderation import threshold


class Checker:
    """A classifier on the device of the pictures; for one thread, which need not be that of the steps."""

    def __init__(self, stored: StoredChecker, device: torch.device) -> None:
        """Load it. Raises WeightsUnavailable."""
        self._unsafe = stored.unsafe
        self._device = device
        self._prepare, self._model = _loaded(stored)
        self._model.to(device).eval().requires_grad_(False)
        # Labels that do not exclude each other are judged each for itself.
        self._independent = self._model.config.problem_type == "multi_label_classification"

    def withholds(self, picture: Image.Image, tolerance: int | None) -> bool:
        """Whether a picture must not be shown; with a tolerance of None nobody looks. Raises as `score` does."""
        return tolerance is not None and self.score(picture) >= threshold(tolerance)

    def score(self, picture: Image.Image) -> float:
        """How unsafe it looks, from 0 to 1. Raises GenerationFailed, OutOfMemory where memory was what it lacked."""
        try:
            with device_errors(), beside(self._device), torch.inference_mode():
                pixels = self._prepare(images=picture, return_tensors="pt")["pixel_values"].to(self._device)
                logits = self._model(pixel_values=pixels).logits[0]
                scores = logits.sigmoid() if self._independent else logits.softmax(-1)
                score = float(scores[self._unsafe])
        except (RuntimeError, ValueError, TypeError, IndexError) as error:
            raise GenerationFailed("The safety checker could not judge the picture.") from error
        if not math.isfinite(score):
            raise GenerationFailed("The safety checker came to no number.")
        return score


def _loaded(stored: StoredChecker) -> tuple[Any, Any]:
    """What makes a picture ready for the classifier, and that; every number of it from the file."""
    folder, alone = str(stored.folder), {"local_files_only": True, "trust_remote_code": False}
    try:
        prepare = AutoImageProcessor.from_pretrained(folder, **alone)
        model, report = AutoModelForImageClassification.from_pretrained(
            folder, dtype=getattr(torch, CHECKER_DTYPE), use_safetensors=True, output_loading_info=True, **alone
        )
    except (OSError, ValueError, KeyError, TypeError, RuntimeError, ImportError, SafetensorError) as error:
        raise WeightsUnavailable(f"{folder} could not be loaded: {error}") from error
    if missing := sorted(report["missing_keys"]):
        raise WeightsUnavailable(f"{folder} lacks {missing[0]}: it is no whole classifier of images.")
    return prepare, model

"""Pictures go to latents and back, and references take sizes that Kontext knows."""

from pathlib import Path

import numpy as np
import torch
from diffusers.pipelines.flux.pipeline_flux_kontext import PREFERRED_KONTEXT_RESOLUTIONS
from PIL import Image

from fluxhouse.engine import autoencode
from fluxhouse.engine.weights import load


def test_a_smooth_picture_survives_the_way_to_latents_and_back(checkpoint: Path) -> None:
    """Within a few percent, away from the border."""
    weights = load(checkpoint, torch.device("cpu"), torch.float32)
    shown = Image.linear_gradient("L").convert("RGB").resize((256, 128))
    made = autoencode.decode(weights, autoencode.encode(weights, shown, 256, 128))
    inside = np.abs(np.asarray(made).astype(float) - np.asarray(shown))[32:-32, 32:-32]
    assert made.size == (256, 128)
    assert inside.mean() < 10


def test_reference_sizes_are_those_of_diffusers() -> None:
    """The trained resolution nearest in shape, on the grid."""
    assert list(autoencode.TRAINED_REFERENCE_SIZES) == [tuple(size) for size in PREFERRED_KONTEXT_RESOLUTIONS]
    assert autoencode.reference_size(Image.new("RGB", (500, 500)), 16) == (1024, 1024)
    assert autoencode.reference_size(Image.new("RGB", (300, 100)), 32) == (1568 // 32 * 32, 672)


def test_the_middle_is_kept() -> None:
    """A crop takes as much from each side; the same size is left alone."""
    picture = Image.linear_gradient("L").convert("RGB")
    assert autoencode.crop_centre(picture, 256, 256) is picture
    assert autoencode.crop_centre(picture, 256, 100).getpixel((0, 0)) == (78, 78, 78)

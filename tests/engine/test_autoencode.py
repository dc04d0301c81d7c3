"""Pictures go to latents and back, and references take sizes that Kontext knows."""

import shutil
from pathlib import Path

import numpy as np
import torch
from diffusers import AutoencoderTiny
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


def test_a_tiny_autoencoder_draws_nothing(checkpoint: Path, tmp_path: Path) -> None:
    """It is loaded by its class's name, and encodes to the same latents with or without a generator."""
    shutil.copytree(checkpoint, tmp_path, dirs_exist_ok=True)
    shutil.rmtree(tmp_path / "vae")
    tiny = AutoencoderTiny(
        encoder_block_out_channels=(8, 8, 8), decoder_block_out_channels=(8, 8, 8),
        num_encoder_blocks=(1, 1, 1), num_decoder_blocks=(1, 1, 1), latent_channels=16, scaling_factor=2.0,
    )  # fmt: skip
    tiny.save_pretrained(tmp_path / "vae")
    weights = load(tmp_path, torch.device("cpu"), torch.float32)
    shown = Image.linear_gradient("L").convert("RGB")
    drawn = autoencode.encode(weights, shown, 64, 32, torch.Generator().manual_seed(1))
    assert drawn.shape == (1, 16, 8, 16)
    assert torch.equal(drawn, autoencode.encode(weights, shown, 64, 32))
    assert autoencode.decode(weights, drawn).size == (64, 32)


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

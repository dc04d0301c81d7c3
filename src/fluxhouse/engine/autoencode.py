"""Between pictures and latents: the VAE's two halves, and the sizes that references take."""

from __future__ import annotations

import torch
from diffusers.image_processor import VaeImageProcessor
from PIL import Image

from fluxhouse.engine.encode import PREVIEW_PIXELS
from fluxhouse.engine.weights import Weights
from fluxhouse.generation.errors import GenerationFailed

TRAINED_REFERENCE_SIZES = (
    (672, 1568), (688, 1504), (720, 1456), (752, 1392), (800, 1328), (832, 1248), (880, 1184), (944, 1104),
    (1024, 1024), (1104, 944), (1184, 880), (1248, 832), (1328, 800), (1392, 752), (1456, 720), (1504, 688),
    (1568, 672),
)  # fmt: skip
"""Widths and heights that Kontext was trained on, as diffusers lists them; its module is slow to import."""


@torch.no_grad()
def encode(
    weights: Weights, picture: Image.Image, width: int, height: int, generator: torch.Generator | None = None
) -> torch.Tensor:
    """Latents [1, c, h, w] of a picture resized to width x height; drawn with the generator, else the mode."""
    pixels = VaeImageProcessor(vae_scale_factor=weights.grid).preprocess(picture, height=height, width=width)
    return scaled_latents(weights, pixels.to(weights.device, weights.dtype), generator)


def scaled_latents(weights: Weights, pixels: torch.Tensor, generator: torch.Generator | None) -> torch.Tensor:
    """Latents of pixels [1, 3, h, w] from -1 to 1, as the transformer sees them; a tiny autoencoder draws nothing."""
    encoded = weights.vae.encode(pixels)
    if hasattr(encoded, "latents"):
        latents = encoded.latents
    else:
        latents = encoded.latent_dist.mode() if generator is None else encoded.latent_dist.sample(generator)
    scaled: torch.Tensor = (latents - weights.vae.config.shift_factor) * weights.vae.config.scaling_factor
    return scaled


@torch.no_grad()
def decode(weights: Weights, latents: torch.Tensor) -> Image.Image:
    """The picture that latents [1, c, h, w] stand for. Raises GenerationFailed where it is not a number everywhere."""
    unscaled = (latents / weights.vae.config.scaling_factor) + weights.vae.config.shift_factor
    pixels = weights.vae.decode(unscaled, return_dict=False)[0]
    if not bool(torch.isfinite(pixels).all()):
        raise GenerationFailed("The picture came out as no number: the model overflowed.")
    picture: Image.Image = VaeImageProcessor(vae_scale_factor=weights.grid).postprocess(pixels, output_type="pil")[0]
    return picture


def decode_small(weights: Weights, latents: torch.Tensor) -> Image.Image:
    """A rough picture of at most 256 pixels: the VAE over averaged latents, at a small part of the cost."""
    rows, columns = latents.shape[2:]
    most = max(1, PREVIEW_PIXELS // weights.pixels_per_latent)
    shrink = min(1.0, most / max(rows, columns))
    size = (max(1, int(rows * shrink)), max(1, int(columns * shrink)))
    averaged = torch.nn.functional.interpolate(latents.float(), size=size, mode="area").to(latents.dtype)
    return decode(weights, averaged)


def reference_size(picture: Image.Image, grid: int) -> tuple[int, int]:
    """Width and height for a Kontext reference: the trained resolution nearest in shape, on the grid."""
    shape = picture.width / picture.height
    _, width, height = min((abs(shape - w / h), w, h) for w, h in TRAINED_REFERENCE_SIZES)
    return width // grid * grid, height // grid * grid


def crop_centre(picture: Image.Image, width: int, height: int) -> Image.Image:
    """The middle of a picture that was made larger than asked."""
    if picture.size == (width, height):
        return picture
    left, top = (picture.width - width) // 2, (picture.height - height) // 2
    return picture.crop((left, top, left + width, top + height))

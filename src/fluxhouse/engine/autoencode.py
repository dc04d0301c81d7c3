"""Between pictures and latents: the VAE's two halves, and the sizes that references take."""

from __future__ import annotations

import torch
from diffusers.image_processor import VaeImageProcessor
from diffusers.pipelines.flux.pipeline_flux_kontext import PREFERRED_KONTEXT_RESOLUTIONS
from PIL import Image

from fluxhouse.engine.encode import PREVIEW_PIXELS
from fluxhouse.engine.weights import Weights
from fluxhouse.generation.errors import GenerationFailed


@torch.no_grad()
def encode(
    weights: Weights, picture: Image.Image, width: int, height: int, generator: torch.Generator | None = None
) -> torch.Tensor:
    """Latents [1, c, h, w] of a picture resized to width x height; drawn with the generator, else the mode."""
    pixels = VaeImageProcessor(vae_scale_factor=weights.grid).preprocess(picture, height=height, width=width)
    spread = weights.vae.encode(pixels.to(weights.device, weights.dtype)).latent_dist
    latents = spread.mode() if generator is None else spread.sample(generator)
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
    _, width, height = min((abs(shape - w / h), w, h) for w, h in PREFERRED_KONTEXT_RESOLUTIONS)
    return width // grid * grid, height // grid * grid


def crop_centre(picture: Image.Image, width: int, height: int) -> Image.Image:
    """The middle of a picture that was made larger than asked."""
    if picture.size == (width, height):
        return picture
    left, top = (picture.width - width) // 2, (picture.height - height) // 2
    return picture.crop((left, top, left + width, top + height))

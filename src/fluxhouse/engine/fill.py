"""Repainting under a mask: what a Fill checkpoint reads beside the noise, and the blend that serves without one.

Every rounding follows diffusers' FluxFillPipeline and FluxInpaintPipeline, so that results equal theirs bit by bit.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from diffusers.image_processor import VaeImageProcessor
from PIL import Image

from fluxhouse.engine import sampling
from fluxhouse.engine.autoencode import scaled_latents
from fluxhouse.engine.weights import Weights


@dataclass(frozen=True, slots=True)
class InpaintBlend:
    """Keeps what the mask does not cover, for a checkpoint that reads no mask; all tokens are [1, n, 4c].

    `shown` are the picture's latents, `noise` what they were first mixed with, `mask` is 1 where it is repainted.
    """

    shown: torch.Tensor
    noise: torch.Tensor
    mask: torch.Tensor

    def after(self, latents: torch.Tensor, following: torch.Tensor) -> torch.Tensor:
        """The latents that a step to the sigma `following` has left, with the kept part as the picture has it there."""
        kept = sampling.mix(self.shown, self.noise, following)
        return (1 - self.mask) * kept + self.mask * latents


@torch.no_grad()
def condition(
    weights: Weights, picture: Image.Image, mask: Image.Image, width: int, height: int, generator: torch.Generator
) -> torch.Tensor:
    """Tokens [1, n, 4c + 4 p²] that a Fill checkpoint reads beside the latents: the kept part, and the mask by pixel.

    p is `weights.pixels_per_latent`. The generator is the one that has drawn the first latents: the VAE draws on.
    """
    shown = VaeImageProcessor(vae_scale_factor=weights.grid).preprocess(picture, height=height, width=width)
    covers = _binary(weights, mask, width, height)
    kept = (shown * (1 - covers)).to(weights.device, weights.dtype)
    latents = scaled_latents(weights, kept, generator)
    rows, columns = latents.shape[2:]
    scale = weights.pixels_per_latent
    by_pixel = covers[:, 0].view(1, rows, scale, columns, scale).permute(0, 2, 4, 1, 3)
    packed = sampling.pack(by_pixel.reshape(1, scale * scale, rows, columns))
    return torch.cat([sampling.pack(latents), packed.to(weights.device, weights.dtype)], dim=-1)


def condition_everywhere(weights: Weights, width: int, height: int, generator: torch.Generator) -> torch.Tensor:
    """As `condition` under a mask that covers everything: how a Fill checkpoint makes a picture from words alone."""
    blank, white = Image.new("RGB", (1, 1)), Image.new("L", (1, 1), 255)
    return condition(weights, blank, white, width, height, generator)


@torch.no_grad()
def blend(weights: Weights, mask: Image.Image, shown: torch.Tensor, noise: torch.Tensor) -> InpaintBlend:
    """The blend for a picture's latents [1, c, h, w] and the noise [1, c, h, w] that they were mixed with."""
    rows, columns = shown.shape[2:]
    scale = weights.pixels_per_latent
    covers = torch.nn.functional.interpolate(
        _binary(weights, mask, columns * scale, rows * scale), size=(rows, columns)
    ).to(shown.device, shown.dtype)
    return InpaintBlend(
        sampling.pack(shown), sampling.pack(noise), sampling.pack(covers.repeat(1, shown.shape[1], 1, 1))
    )


def _binary(weights: Weights, mask: Image.Image, width: int, height: int) -> torch.Tensor:
    """[1, 1, height, width], 1 where the mask is at least half white."""
    covers: torch.Tensor = VaeImageProcessor(
        vae_scale_factor=weights.grid, do_normalize=False, do_binarize=True, do_convert_grayscale=True
    ).preprocess(mask, height=height, width=width)
    return covers

"""The hand-set VAE: it averages 16 by 16 pixels into a latent and paints latents as soft colour.

Residual branches are zero, so that only the trunk acts. SiLU is undone by pairs (silu(x) - silu(-x) = x), and group
normalisation by a pair of large constant channels beside which the signal hardly changes the variance.
"""

from __future__ import annotations

from typing import Any

import torch
from diffusers import AutoencoderKL

LATENT_CHANNELS = 16
COLOURS = 3
PAPER = 0.9
"""The value from -1 to 1 of an unpainted pixel: a zero latent is paper, so that borders fade into it."""

SCALING = 1.5
"""Latents are this many times the paint (pixel minus paper), which gives them about the noise's variance."""

_LOUD = 16.0
"""Value of the constant channels."""

_BLOCKS = (8, 8, 16, 16, 16)
_SOFT = torch.outer(torch.tensor([1.0, 2.0, 1.0]), torch.tensor([1.0, 2.0, 1.0])) / 16.0


def autoencoder() -> AutoencoderKL:
    """An AutoencoderKL of five levels (16 pixels a latent) with every weight chosen."""
    vae = AutoencoderKL(
        in_channels=3,
        out_channels=3,
        down_block_types=("DownEncoderBlock2D",) * len(_BLOCKS),
        up_block_types=("UpDecoderBlock2D",) * len(_BLOCKS),
        block_out_channels=_BLOCKS,
        layers_per_block=1,
        latent_channels=LATENT_CHANNELS,
        norm_num_groups=1,
        sample_size=1024,
        scaling_factor=SCALING,
        shift_factor=0.0,
        use_quant_conv=False,
        use_post_quant_conv=False,
        mid_block_add_attention=False,
        force_upcast=False,
    )
    with torch.no_grad():
        for parameter in vae.parameters():
            parameter.zero_()
        _set_trunk(vae.encoder, sampler="downsamplers")
        _set_trunk(vae.decoder, sampler="upsamplers")
        _set_ends(vae)
    return vae


def _set_trunk(half: Any, sampler: str) -> None:
    """Let the first eight channels pass every resnet and be averaged or smoothed by every sampler."""
    for name, module in half.named_modules():
        if name.endswith("conv_shortcut"):
            module.weight[:8, :8, 0, 0] = torch.eye(8)
        elif f"{sampler}.0.conv" in name:
            _set_sampler(module, smooth=sampler == "upsamplers")


def _set_sampler(conv: torch.nn.Conv2d, smooth: bool) -> None:
    for channel in range(8):
        if not smooth:
            # Strided, padded at the far sides only: an exact mean of 2 by 2 pixels.
            conv.weight[channel, channel, :2, :2] = 0.25
        elif channel < 6:
            conv.weight[channel, channel] = _SOFT
        else:
            # The constants must not fade at the border.
            conv.weight[channel, channel, 1, 1] = 1.0


def _set_ends(vae: AutoencoderKL) -> None:
    point = torch.zeros(3, 3)
    point[1, 1] = 1.0
    for conv, kernel in ((vae.encoder.conv_in, point), (vae.decoder.conv_in, _SOFT)):
        for colour in range(COLOURS):
            conv.weight[colour, colour] = kernel
            conv.weight[colour + 3, colour] = -kernel
        conv.bias[6], conv.bias[7] = _LOUD, -_LOUD
    vae.encoder.conv_in.bias[:3], vae.encoder.conv_in.bias[3:6] = -PAPER, PAPER
    for half, width in ((vae.encoder, _BLOCKS[-1]), (vae.decoder, _BLOCKS[0])):
        # Two of `width` channels hold the loud constant: their root mean square is the divisor to undo.
        half.conv_norm_out.weight[:] = _LOUD * (2.0 / width) ** 0.5
        for colour in range(COLOURS):
            half.conv_out.weight[colour, colour, 1, 1] = 1.0
            half.conv_out.weight[colour, colour + 3, 1, 1] = -1.0
    vae.decoder.conv_out.bias[:] = PAPER
    vae.encoder.conv_out.bias[LATENT_CHANNELS:] = -30.0  # The log variance: encoding is certain.

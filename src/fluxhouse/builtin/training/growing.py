"""Grows an autoencoder outwards: levels around it that halve a picture exactly, and double it to be sharpened."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from diffusers import AutoencoderTiny
from diffusers.models.unets.unet_2d_blocks import AutoencoderTinyBlock
from torch import Tensor, nn

COLOURS = 3
CONSTANT = 3
"""The channel that holds 1: convolutions that halve have no bias of their own."""


def grown(inner: AutoencoderTiny, levels: int) -> AutoencoderTiny:
    """The autoencoder with so many more levels on its outside.

    Its latents are those of `inner` for the picture averaged over squares of 2 ** `levels` pixels, exactly. Its decoder
    starts as that of `inner`, enlarged by linear interpolation, and can be trained alone from there.
    """
    known = inner.config
    widths = (known.encoder_block_out_channels[0],) * (levels + len(known.num_encoder_blocks))
    vae = AutoencoderTiny(
        encoder_block_out_channels=widths,
        decoder_block_out_channels=widths,
        num_encoder_blocks=(0,) * levels + tuple(known.num_encoder_blocks),
        num_decoder_blocks=(*known.num_decoder_blocks, *(1,) * (levels - 1), 0),
        latent_channels=known.latent_channels,
        upsample_fn=known.upsample_fn,
    )
    with torch.no_grad():
        _surround_encoder(vae, inner, levels)
        _surround_decoder(vae, inner)
    return vae


def see_colours(conv: nn.Conv2d) -> None:
    """Set an encoder's first convolution: three channels hold the colours, one holds 1, the others nothing."""
    conv.weight.zero_()
    conv.bias.zero_()  # type: ignore[union-attr]
    for colour in range(COLOURS):
        conv.weight[colour, colour, 1, 1] = 1.0
    conv.bias[CONSTANT] = 1.0  # type: ignore[index]


def average(halving: nn.Conv2d, channel: int) -> None:
    """Let a convolution of stride two average a channel over two by two: its taps there never meet the padding."""
    halving.weight[channel, channel, 1:, 1:] = 0.25


def _surround_encoder(vae: Any, inner: Any, levels: int) -> None:
    layers = list(vae.encoder.layers)
    see_colours(layers[0])
    for halving in layers[1 : 1 + levels]:
        halving.weight.zero_()
        for channel in (*range(COLOURS), CONSTANT):
            average(halving, channel)
    for new, old in zip(layers[1 + levels :], list(inner.encoder.layers)[1:], strict=True):
        new.load_state_dict(old.state_dict())


def _surround_decoder(vae: Any, inner: Any) -> None:
    """The colours that left `inner` become the first three channels of a level, and pass what follows."""
    kept = list(inner.decoder.layers)
    leaving = kept.pop()
    added = list(vae.decoder.layers)[len(kept) :]
    for new, old in zip(vae.decoder.layers, kept, strict=False):
        new.load_state_dict(old.state_dict())
    convolutions: list[Any] = [one for one in added if isinstance(one, nn.Conv2d)]
    for conv in convolutions:
        conv.weight.zero_()
        for channel in range(conv.out_channels):
            conv.weight[channel, channel, 1, 1] = 1.0
    convolutions[0].weight[:COLOURS] = leaving.weight
    biases = [convolutions[-1].bias]
    for block in (one for one in added if isinstance(one, AutoencoderTinyBlock)):
        block.conv[-1].weight.zero_()
        biases.insert(-1, block.conv[-1].bias)
    for bias in biases:
        bias.zero_()
    # What `inner` added to its colours last, as soon as there is a bias again.
    biases[0][:COLOURS] = leaving.bias


def halvings(vae: Any) -> int:
    """How many levels around an autoencoder only halve: those without blocks, but for the innermost of them."""
    return next(number for number, blocks in enumerate(vae.config.num_encoder_blocks) if blocks) - 1


def encode_small(vae: Any, pictures: Tensor) -> Tensor:
    """Latents of pictures [n, 3, h, w] from -1 to 1 that are as small as the halving levels would make them."""
    seen: Tensor = vae.encoder.layers[0](pictures.add(1).div(2))  # as `EncoderTiny.forward` begins
    for layer in vae.encoder.layers[1 + halvings(vae) :]:
        seen = layer(seen)
    return seen


def levels_of(decoder: Any, latents: Tensor) -> Iterator[Tensor]:
    """What each level of a decoder shows of latents, coarsest first: pictures [n, 3, h, w] from -1 to 1.

    The first three channels are its picture so far wherever a level ends; so every level can be told at once what it
    shall show, long before those after it have learnt to pass that on.
    """
    seen = torch.tanh(latents / 3) * 3  # as `DecoderTiny.forward` begins and ends
    for layer in decoder.layers:
        if isinstance(layer, nn.Upsample):
            yield seen[:, :COLOURS] * 2 - 1
        seen = layer(seen)
    yield seen * 2 - 1

"""The hand-set FLUX transformer: words claim regions of the picture through rotary attention.

The double block smooths what the latents already show and a hidden noise field; the single block lets each image token
pick a colour from the text (or from a reference at the same place). What leaves is `(latents - picture) / sigma`, the
velocity whose Euler steps end in the picture. Read the channel table below as the legend of everything else.
"""

from __future__ import annotations

import math
from typing import Any

import torch
from diffusers import FluxTransformer2DModel
from diffusers.models.embeddings import get_timestep_embedding
from tests.handset.autoencoder import LATENT_CHANNELS, SCALING
from tests.handset.text_encoders import COLOUR_AT, KEYS_AT, TEXT_WIDTH, VOICE_AT

HEADS, HEAD_WIDTH = 3, 64
WIDTH = HEADS * HEAD_WIDTH
AXES = (8, 28, 28)
"""Rotary widths of the frame, row and column axis within a head."""

# Channels of a token inside the transformer.
NOISY = slice(0, 12)  # the three painted latents of the four pixels of a token
MINUS = slice(12, 24)  # the same, negated, so that the mean of a token stays zero
LOUD, QUIET = 24, 25  # plus and minus the constant that fixes a token's norm
IS_IMAGE, IS_TEXT = 26, 27
WORD_COLOUR = slice(28, 31)
WORD_KEYS = slice(32, 32 + KEYS_AT.stop - KEYS_AT.start)
VOICE = 88  # how loudly a text token speaks: words more, padding less
ESTIMATE = slice(96, 108)  # the picture that the double block sees in the noisy latents, from afar
FIELD = slice(108, 116)  # smooth fields of the seed, which move the regions
PAINTED = slice(116, 128)  # the picture that the single block paints
HIDDEN = slice(128, 136)  # unpainted latents, averaged over the token: noise that stays to the end
DETAIL = slice(136, 148)  # as ESTIMATE, from near

_CONSTANT = 30.0
_NORM = _CONSTANT * math.sqrt(2.0 / WIDTH)
"""Layer norm divides a token by about this; every matrix after one multiplies by it."""

_TIME_AT, _GUIDANCE_AT, _POOLED_AT = slice(0, 96), slice(96, 128), slice(128, 192)
_TURN = 1.9  # radians by which a query looks past its own frame, towards a reference's


def transformer(generator: torch.Generator) -> FluxTransformer2DModel:
    """A FluxTransformer2DModel of one double and one single block with every weight chosen."""
    model = FluxTransformer2DModel(
        in_channels=4 * LATENT_CHANNELS,
        num_layers=1,
        num_single_layers=1,
        attention_head_dim=HEAD_WIDTH,
        num_attention_heads=HEADS,
        joint_attention_dim=TEXT_WIDTH,
        pooled_projection_dim=TEXT_WIDTH,
        guidance_embeds=True,
        axes_dims_rope=AXES,
    )
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if "norm_q" not in name and "norm_k" not in name and "norm_added" not in name:
                parameter.zero_()
        _set_embedders(model)
        _set_conditioning(model, generator)
        _set_smoothing(model.transformer_blocks[0], generator)
        _set_painting(model.single_transformer_blocks[0], generator)
        _set_output(model)
    return model


def _set_embedders(model: FluxTransformer2DModel) -> None:
    image, text = model.x_embedder, model.context_embedder
    for pixel in range(4):
        for colour in range(3):
            image.weight[NOISY.start + 4 * colour + pixel, 4 * colour + pixel] = 1.0
            image.weight[MINUS.start + 4 * colour + pixel, 4 * colour + pixel] = -1.0
        for field in range(8):
            image.weight[HIDDEN.start + field, 4 * (3 + field) + pixel] = 0.5
    text.weight[WORD_COLOUR, COLOUR_AT] = torch.eye(3)
    text.weight[VOICE, VOICE_AT] = 1.0
    text.weight[WORD_KEYS, KEYS_AT] = torch.eye(WORD_KEYS.stop - WORD_KEYS.start)
    for linear, kind in ((image, IS_IMAGE), (text, IS_TEXT)):
        linear.bias[LOUD], linear.bias[QUIET], linear.bias[kind] = _CONSTANT, -_CONSTANT, 1.0


def _set_conditioning(model: FluxTransformer2DModel, generator: torch.Generator) -> None:
    """Time, guidance and pooled text fill disjoint parts of the conditioning; modulations are fitted to it."""
    embed = model.time_text_embed
    for embedder, at, fastest in (
        (embed.timestep_embedder, _TIME_AT, 0.02),
        (embed.guidance_embedder, _GUIDANCE_AT, 2e-3),
    ):
        rates = torch.exp(-math.log(10000) * torch.arange(128) / 128).repeat(2)
        slow = (rates < fastest).float()
        embedder.linear_1.weight.copy_(torch.randn(WIDTH, 256, generator=generator) * 0.4 * slow)
        embedder.linear_1.bias.copy_(torch.randn(WIDTH, generator=generator) * 0.5)
        embedder.linear_2.weight[at] = torch.randn(at.stop - at.start, WIDTH, generator=generator) * 0.25
    embed.text_embedder.linear_1.weight.copy_(torch.randn(WIDTH, TEXT_WIDTH, generator=generator) * 0.15)
    embed.text_embedder.linear_2.weight[_POOLED_AT] = torch.randn(64, WIDTH, generator=generator) * 0.25

    sigma = torch.linspace(0.02, 1.0, 400)
    guidance = torch.linspace(0.0, 10.0, 101)
    double, single = model.transformer_blocks[0].norm1.linear, model.single_transformer_blocks[0].norm.linear
    double.bias[2 * WIDTH : 3 * WIDTH] = 1.0  # attention's gate is open, but for what is fitted below
    time = _features(embed.timestep_embedder, 1000.0 * sigma)[:, _TIME_AT]
    strength = _features(embed.guidance_embedder, 1000.0 * guidance)[:, _GUIDANCE_AT]
    # What the latents show grows as the noise goes: undo it.
    gain = 1.0 / (1.0 - sigma + 0.15 * sigma**4)
    _fit(double, _TIME_AT, time, gain - 1.0, slice(WIDTH + NOISY.start, WIDTH + NOISY.stop))
    # Early the words paint, late the latents are believed: three shares that add up to one.
    late = torch.sigmoid((0.66 - sigma) / 0.07)
    near, far = 0.6 * late, 0.2 * (1.0 - late)
    for linear, channels, share in (
        (double, DETAIL, near),
        (double, ESTIMATE, far),
        (single, PAINTED, 1.0 - near - far),
    ):
        _fit(linear, _TIME_AT, time, share, slice(2 * WIDTH + channels.start, 2 * WIDTH + channels.stop))
    # Velocity from a distance to the picture.
    _fit(model.norm_out.linear, _TIME_AT, time, 1.0 / sigma - 1.0, slice(0, WIDTH), weight=sigma)
    # Guidance saturates the words' colours; 3.5 leaves them as they are.
    colours = slice(WIDTH + WORD_COLOUR.start, WIDTH + WORD_COLOUR.stop)
    _fit(single, _GUIDANCE_AT, strength, torch.tanh((guidance - 3.5) / 6.0), colours)
    single.weight[WORD_COLOUR, _POOLED_AT] = torch.randn(3, 64, generator=generator) * 0.0015


def _features(embedder: Any, values: torch.Tensor) -> torch.Tensor:
    """What modulations see of `values` [n]: float tensor [n, WIDTH]."""
    sinusoids = get_timestep_embedding(values, 256, flip_sin_to_cos=True, downscale_freq_shift=0)
    return torch.nn.functional.silu(embedder(sinusoids))


def _fit(
    linear: torch.nn.Linear,
    at: slice,
    features: torch.Tensor,
    target: torch.Tensor,
    rows: slice,
    weight: torch.Tensor | None = None,
) -> None:
    """Set `rows` of `linear` so that features [n, k] give target [n], by ridge regression in float64."""
    design = torch.cat([features, torch.ones(len(features), 1)], dim=1).double()
    importance = torch.ones(len(features)) if weight is None else weight
    scaled = design * importance.double()[:, None]
    ridge = 1e-7 * torch.eye(design.shape[1], dtype=torch.float64)
    solution = torch.linalg.solve(scaled.T @ scaled + ridge, scaled.T @ (target * importance).double()).float()
    linear.weight[rows, at] = solution[:-1]
    linear.bias[rows] = solution[-1]


def _pair(axis: int, number: int) -> int:
    """First of the two head dimensions that rotate together for frequency `number` of `axis`."""
    return sum(AXES[:axis]) + 2 * number


def _set_norms(attention: Any, peak: float) -> None:
    """Make a query that meets its own key score `peak`."""
    for name in ("norm_q", "norm_k", "norm_added_q", "norm_added_k"):
        if hasattr(attention, name):
            getattr(attention, name).weight.fill_(math.sqrt(peak / math.sqrt(HEAD_WIDTH)))


def _nearby(shares: dict[int, float]) -> torch.Tensor:
    """A direction [HEAD_WIDTH] that, as query and key, scores tokens by nearness in row and column."""
    direction = torch.zeros(HEAD_WIDTH)
    for axis in (1, 2):
        for number, share in shares.items():
            direction[_pair(axis, number)] = math.sqrt(share / 2.0)
    return direction


def _set_smoothing(block: Any, generator: torch.Generator) -> None:
    """In one frame, head 0 averages the noisy latents, head 1 hidden noise more widely, head 2 the latents less."""
    attention = block.attn
    _set_norms(attention, 40.0)
    frame = torch.zeros(HEAD_WIDTH)
    frame[_pair(0, 0)] = 1.0
    for head, shares in enumerate(({2: 0.5, 3: 0.5}, {4: 0.5, 5: 0.5}, {1: 0.4, 2: 0.3, 3: 0.3})):
        direction = 0.7 * frame + 0.7 * _nearby(shares)
        at = slice(head * HEAD_WIDTH, (head + 1) * HEAD_WIDTH)
        attention.to_q.bias[at] = direction
        attention.to_k.bias[at] = direction
        attention.add_q_proj.bias[at] = direction
        attention.add_k_proj.bias[at] = -frame
    for colour in range(3):
        for pixel in range(4):
            attention.to_v.weight[colour, NOISY.start + 4 * colour + pixel] = 0.25 * _NORM
            attention.to_out[0].weight[ESTIMATE.start + 4 * colour + pixel, colour] = 1.0
            value = 4 * colour + pixel
            attention.to_v.weight[2 * HEAD_WIDTH + value, NOISY.start + value] = _NORM
            attention.to_out[0].weight[DETAIL.start + value, 2 * HEAD_WIDTH + value] = 1.0
    attention.to_v.weight[HEAD_WIDTH : HEAD_WIDTH + 8, HIDDEN] = torch.eye(8) * _NORM
    mixing = torch.linalg.qr(torch.randn(8, 8, generator=generator))[0]
    attention.to_out[0].weight[FIELD, HEAD_WIDTH : HEAD_WIDTH + 8] = mixing * 12.0


def _set_painting(block: Any, generator: torch.Generator) -> None:
    """Every head lets words claim regions; heads 0 and 1 prefer a reference token at the same place."""
    attention = block.attn
    _set_norms(attention, 44.0)
    near = _nearby({0: 0.3, 1: 0.3, 2: 0.2, 3: 0.1, 4: 0.1})
    ahead, here = torch.zeros(HEAD_WIDTH), torch.zeros(HEAD_WIDTH)
    ahead[_pair(0, 0)], ahead[_pair(0, 0) + 1] = math.cos(_TURN), math.sin(_TURN)
    here[_pair(0, 0)] = 1.0
    slow = [_pair(axis, number) + part for axis in (1, 2) for number in (2, 3, 4, 5) for part in (0, 1)]
    for head in range(HEADS):
        at = slice(head * HEAD_WIDTH, (head + 1) * HEAD_WIDTH)
        wander = torch.zeros(HEAD_WIDTH, 8)
        wander[slow] = torch.randn(len(slow), 8, generator=generator) * 0.12
        drawn = torch.zeros(HEAD_WIDTH)
        drawn[slow] = torch.randn(len(slow), generator=generator) * 0.2
        attention.to_q.bias[at] = drawn + (1.2 * ahead + 1.0 * near if head < 2 else 0.0)
        attention.to_q.weight[at, FIELD] = wander * _NORM
        attention.to_k.weight[at, IS_IMAGE] = (0.9 * here + 0.45 * near if head < 2 else -drawn) * _NORM
        keys = torch.zeros(HEAD_WIDTH, WORD_KEYS.stop - WORD_KEYS.start)
        keys[slow] = torch.randn(len(slow), keys.shape[1], generator=generator) / math.sqrt(len(slow) * 56)
        attention.to_k.weight[at, WORD_KEYS] = keys * _NORM
        attention.to_k.weight[at, VOICE] = 2.0 * drawn * _NORM
        _set_paint(block, head, share=(0.35, 0.35, 0.3)[head])


def _set_paint(block: Any, head: int, share: float) -> None:
    """Carry a word's colour, or a reference's twelve values, from the chosen token to the painted channels."""
    first = head * HEAD_WIDTH
    value, out = block.attn.to_v, block.proj_out
    for colour in range(3):
        value.weight[first + colour, WORD_COLOUR.start + colour] = _NORM
        value.weight[first + colour, IS_TEXT] = -0.9 * _NORM
        for pixel in range(4):
            painted = PAINTED.start + 4 * colour + pixel
            value.weight[first + 4 + 4 * colour + pixel, NOISY.start + 4 * colour + pixel] = _NORM
            out.weight[painted, first + colour] = share * SCALING * 1.2
            out.weight[painted, first + 4 + 4 * colour + pixel] = share


def _set_output(model: FluxTransformer2DModel) -> None:
    for value in range(12):
        row = model.proj_out.weight[value]
        row[NOISY.start + value] = _NORM
        for seen in (ESTIMATE, DETAIL, PAINTED):
            row[seen.start + value] = -_NORM

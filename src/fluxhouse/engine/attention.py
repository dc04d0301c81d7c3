"""Attention over packed tokens: every segment sees itself alone, whatever lies beside it."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch.nn import functional
from torch.nn.attention import varlen


def attend(
    query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, sizes: Sequence[int], *, exact: bool
) -> torch.Tensor:
    """[T, heads, width] each, and so the result; `sizes` are the tokens of the segments, one after the other.

    Where `exact`, each segment goes through the very call that diffusers makes. Elsewhere CUDA devices take all of them
    in one kernel, without splitting keys, so that a segment's result does not depend on its neighbours.
    """
    if exact or len(sizes) == 1 or query.device.type != "cuda":
        return _one_by_one(query, key, value, sizes)
    ends = torch.tensor([0, *sizes]).cumsum(0).to(query.device, torch.int32, non_blocking=True)
    longest = max(sizes)
    mixed = varlen.varlen_attn(query, key, value, ends, ends, longest, longest, num_splits=1)
    assert isinstance(mixed, torch.Tensor)
    return mixed


def _one_by_one(query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, sizes: Sequence[int]) -> torch.Tensor:
    parts = zip(*(torch.split(tensor, list(sizes)) for tensor in (query, key, value)), strict=True)
    mixed = [
        functional.scaled_dot_product_attention(*(part.transpose(0, 1)[None] for part in segment))[0].transpose(0, 1)
        for segment in parts
    ]
    return mixed[0] if len(mixed) == 1 else torch.cat(mixed)


def rotate(tokens: torch.Tensor, cosines: torch.Tensor, sines: torch.Tensor) -> torch.Tensor:
    """Tokens [T, heads, width] turned by their places, tables [T, 1, width] in float32; rounded as diffusers does."""
    real, imaginary = torch.unflatten(tokens, -1, (-1, 2)).unbind(-1)
    turned = torch.stack([-imaginary, real], dim=-1).flatten(-2)
    return (tokens.float() * cosines + turned.float() * sines).to(tokens.dtype)

"""The transformer's linear layers as the packed forward uses them: apart or fused, in FP8, and with LoRAs by row range.

LoRAs are never added to the weights: each is a low-rank product over the rows of its own trajectory.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import nn
from torch.nn import functional

from fluxhouse.generation.request import Acceleration

Pairs = Mapping[str, tuple[torch.Tensor, torch.Tensor]]
"""A LoRA by name of linear layer: down [rank, in] and up [out, rank], its alpha already in the latter."""

_LARGEST_FP8 = torch.finfo(torch.float8_e4m3fn).max


@dataclass(frozen=True, slots=True, eq=False)
class Delta:
    """A LoRA at its strength."""

    pairs: Pairs
    scale: float


@dataclass(frozen=True, slots=True, eq=False)
class Span:
    """Rows `start` to `stop` of a pack, and the LoRAs that hold for them."""

    start: int
    stop: int
    deltas: Sequence[Delta]


def spans(sizes: Sequence[int], deltas: Sequence[Sequence[Delta]]) -> list[Span]:
    """The spans of segments of `sizes` rows that have any deltas."""
    found, start = [], 0
    for size, own in zip(sizes, deltas, strict=True):
        if own:
            found.append(Span(start, start + size, own))
        start += size
    return found


class Projection:
    """Linear layers that read the same tokens."""

    def __init__(self, named: Mapping[str, nn.Linear]) -> None:
        self._named = named
        self._widths = [linear.out_features for linear in named.values()]
        self._fused: nn.Linear | None = None
        self._rounded: RowwiseFp8 | None = None

    def __call__(self, tokens: torch.Tensor, level: Acceleration, changed: Sequence[Span]) -> list[torch.Tensor]:
        """What each layer makes of tokens [T, in], [T, out] each: by one GEMM where level and device allow."""
        if level is Acceleration.NONE or not gains_by_fusing(tokens.device):
            made = [linear(tokens) for linear in self._named.values()]
        else:
            made = list(torch.split(self._at_once(tokens, level), self._widths, dim=-1))
        for span in changed:
            _add(made, list(self._named), tokens, span)
        return made

    def _at_once(self, tokens: torch.Tensor, level: Acceleration) -> torch.Tensor:
        if self._fused is None:
            self._fused = fuse(list(self._named.values()))
        if level is Acceleration.HIGH and takes_fp8(self._fused):
            if self._rounded is None:
                self._rounded = RowwiseFp8(self._fused)
            return self._rounded(tokens)
        made: torch.Tensor = functional.linear(tokens, self._fused.weight, self._fused.bias)
        return made


def apply(name: str, linear: nn.Linear, tokens: torch.Tensor, deltas: Sequence[Delta]) -> torch.Tensor:
    """One layer on tokens [n, in] that are all of one trajectory."""
    made: torch.Tensor = linear(tokens)
    if deltas:
        _add([made], [name], tokens, Span(0, len(tokens), deltas))
    return made


def _add(made: Sequence[torch.Tensor], names: Sequence[str], tokens: torch.Tensor, span: Span) -> None:
    rows = tokens[span.start : span.stop]
    for delta in span.deltas:
        for name, out in zip(names, made, strict=True):
            if name in delta.pairs:
                down, up = delta.pairs[name]
                out[span.start : span.stop] += functional.linear(functional.linear(rows, down), up) * delta.scale


def gains_by_fusing(device: torch.device) -> bool:
    """Whether one wide GEMM is faster than several: not on a CPU, where its parts then lie apart for what follows."""
    return device.type == "cuda"


def fuse(linears: Sequence[nn.Linear]) -> nn.Linear:
    """One layer with all outputs, [sum of out, in]; the given ones become views of it, so it costs no memory."""
    if len(linears) == 1:
        return linears[0]
    weight = torch.cat([linear.weight for linear in linears])
    bias = torch.cat([linear.bias for linear in linears])
    fused = nn.Linear(weight.shape[1], weight.shape[0], device="meta", dtype=weight.dtype).requires_grad_(False)
    fused.weight, fused.bias = nn.Parameter(weight, False), nn.Parameter(bias, False)
    start = 0
    for linear in linears:
        stop = start + linear.out_features
        linear.weight, linear.bias = nn.Parameter(weight[start:stop], False), nn.Parameter(bias[start:stop], False)
        start = stop
    return fused


def takes_fp8(linear: nn.Linear) -> bool:
    """Whether the layer's device multiplies FP8 by rows: CUDA from compute capability 8.9, sizes by 16."""
    if linear.weight.device.type != "cuda" or linear.weight.dtype is not torch.bfloat16:
        return False
    fits = linear.in_features % 16 == 0 and linear.out_features % 16 == 0
    return fits and torch.cuda.get_device_capability(linear.weight.device) >= (8, 9)


class RowwiseFp8:
    """A linear layer in float8 e4m3 with one scale for each row of weights and of tokens, whose results are bfloat16.

    A row's scale is its own, so a token's result does not depend on the tokens beside it.
    """

    def __init__(self, linear: nn.Linear) -> None:
        self._weight, self._scales = round_rows(linear.weight)
        self._bias = linear.bias

    def __call__(self, tokens: torch.Tensor) -> torch.Tensor:
        rounded, scales = round_rows(tokens)
        made: torch.Tensor = torch._scaled_mm(
            rounded,
            self._weight.t(),
            scale_a=scales,
            scale_b=self._scales.t(),
            bias=self._bias,
            out_dtype=tokens.dtype,
            use_fast_accum=True,
        )
        return made


def round_rows(rows: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Rows [n, k] in float8 and the scales [n, 1] in float32 by which they are to be multiplied."""
    scales = (rows.abs().amax(dim=1, keepdim=True).float() / _LARGEST_FP8).clamp(min=1e-12)
    return (rows.float() / scales).clamp(-_LARGEST_FP8, _LARGEST_FP8).to(torch.float8_e4m3fn), scales

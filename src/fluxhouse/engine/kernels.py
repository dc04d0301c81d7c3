"""The arithmetic between a block's linear layers, as each level rounds it; compiled where that is wanted and works."""

from __future__ import annotations

import traceback
from collections.abc import Callable
from typing import Any

import torch
from torch.nn import functional

from fluxhouse.engine.attention import rotate
from fluxhouse.generation.request import Acceleration


class Kernels:
    """What one level does beside linear layers and attention.

    `none` makes the very calls of diffusers. The other levels fuse multiplications with additions and, where
    `compiled`, have torch compile each of these functions into one kernel. That needs a compiler and a folder to write
    to; without them, or where it fails, they run as they are.
    """

    def __init__(self, level: Acceleration, compiled: bool = False) -> None:
        self.level = level
        self.exact = level is Acceleration.NONE
        tried = compiled and not self.exact
        self._modulate = _Kernel(_exact_modulate if self.exact else _modulate, tried)
        self._gate = _Kernel(_exact_gate if self.exact else _gate, tried)
        self._turn = _Kernel(_turn, tried)

    def modulate(
        self, norm: Any, tokens: torch.Tensor, scale: torch.Tensor, shift: torch.Tensor, owners: torch.Tensor | None
    ) -> torch.Tensor:
        """Normalised tokens [T, d], scaled and shifted by rows [segments, d]; `owners` [T] says whose is whose."""
        return self._modulate(tokens, norm.eps, scale, shift, owners)

    def gate(
        self, tokens: torch.Tensor, gate: torch.Tensor, added: torch.Tensor, owners: torch.Tensor | None
    ) -> torch.Tensor:
        """Tokens [T, d] and what is added to them, by gates [segments, d]."""
        return self._gate(tokens, gate, added, owners)

    def turn(self, norm: Any, heads: torch.Tensor, cosines: torch.Tensor, sines: torch.Tensor) -> torch.Tensor:
        """Normalised heads [T, heads, width], turned by their places, tables [T, 1, width]."""
        return self._turn(heads, norm.weight, norm.eps, cosines, sines)


class _Kernel:
    """A function, compiled until that fails."""

    def __init__(self, plain: Callable[..., torch.Tensor], compiled: bool) -> None:
        self._plain = plain
        self._compiled: Callable[..., torch.Tensor] | None = None
        if compiled:
            self._compiled = torch.compile(plain, dynamic=True)

    def __call__(self, *given: Any) -> torch.Tensor:
        if self._compiled is not None:
            try:
                return self._compiled(*given)
            except torch.OutOfMemoryError:
                raise
            except Exception:
                traceback.print_exc()
                self._compiled = None
        return self._plain(*given)


def _spread(rows: torch.Tensor, owners: torch.Tensor | None) -> torch.Tensor:
    """Rows [segments, d] as each token sees its own: [T, d], or [1, d] where all see the same."""
    return rows if owners is None else rows.index_select(0, owners)


def _exact_modulate(
    tokens: torch.Tensor, eps: float, scale: torch.Tensor, shift: torch.Tensor, owners: torch.Tensor | None
) -> torch.Tensor:
    normed = functional.layer_norm(tokens, (tokens.shape[-1],), eps=eps)
    return normed * _spread(scale, owners) + _spread(shift, owners)


def _modulate(
    tokens: torch.Tensor, eps: float, scale: torch.Tensor, shift: torch.Tensor, owners: torch.Tensor | None
) -> torch.Tensor:
    normed = functional.layer_norm(tokens, (tokens.shape[-1],), eps=eps)
    return torch.addcmul(_spread(shift, owners), normed, _spread(scale, owners))


def _exact_gate(
    tokens: torch.Tensor, gate: torch.Tensor, added: torch.Tensor, owners: torch.Tensor | None
) -> torch.Tensor:
    return tokens + _spread(gate, owners) * added


def _gate(tokens: torch.Tensor, gate: torch.Tensor, added: torch.Tensor, owners: torch.Tensor | None) -> torch.Tensor:
    return torch.addcmul(tokens, _spread(gate, owners), added)


def _turn(
    heads: torch.Tensor, weight: torch.Tensor, eps: float, cosines: torch.Tensor, sines: torch.Tensor
) -> torch.Tensor:
    return rotate(functional.rms_norm(heads, (heads.shape[-1],), weight, eps), cosines, sines)

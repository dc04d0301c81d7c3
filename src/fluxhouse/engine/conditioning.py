"""What a trajectory's steps take from its request, computed once: text, places, and every block's modulation."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch.nn import functional

from fluxhouse.engine.linears import Delta, apply

_WINDOW = 32
"""Steps whose modulation is made at once: one GEMM instead of a pass over a quarter of the weights for each."""
_WINDOWS_KEPT = 2


@dataclass(frozen=True, slots=True)
class Course:
    """What the model is told beside tokens: `times` [steps] in float32, from 1000 down, and pooled text [1, p].

    `guidance` is None for a model that takes none.
    """

    times: torch.Tensor
    guidance: float | None
    pooled: torch.Tensor


class Conditioning:
    """One request's part of every forward, shared by its images.

    `text` [t, d] has been through the context embedder. `cosines` and `sines` [t + n, 1, width] are the rotary tables
    of text and picture, references behind it. Where `exact`, modulation is made step by step by the very calls of
    diffusers; elsewhere for 32 steps at once, whose rounding may differ.
    """

    def __init__(
        self,
        model: Any,
        tokens: torch.Tensor,
        ids: torch.Tensor,
        course: Course,
        deltas: Sequence[Delta] = (),
        *,
        exact: bool = True,
    ) -> None:
        """Of prompt tokens [t, joint] and picture ids [n, 3], for a FluxTransformer2DModel."""
        self._model, self._course, self._exact = model, course, exact
        self._modulated: OrderedDict[int, torch.Tensor] = OrderedDict()
        self.deltas = tuple(deltas)
        self.text = apply("context_embedder", model.context_embedder, tokens, self.deltas)
        nowhere = torch.zeros(len(tokens), 3, device=ids.device, dtype=ids.dtype)
        cosines, sines = model.pos_embed(torch.cat([nowhere, ids]))
        self.cosines, self.sines = cosines[:, None], sines[:, None]

    @property
    def sizes(self) -> tuple[int, int]:
        """How many tokens of text, and of picture with its references."""
        return len(self.text), len(self.cosines) - len(self.text)

    def modulation(self, step: int) -> torch.Tensor:
        """[1, k] for step `step` of the course: the parts that `modulations` lists, end to end; scales have 1 added."""
        window = 1 if self._exact else _WINDOW
        number = step // window
        if number not in self._modulated:
            first = number * window
            self._modulated[number] = self._make(self._course.times[first : first + window])
            if len(self._modulated) > _WINDOWS_KEPT:
                self._modulated.popitem(last=False)
        return self._modulated[number][step % window][None]

    def _make(self, times: torch.Tensor) -> torch.Tensor:
        embedded = functional.silu(self._embed(times))
        made = []
        for name, layer, scales in modulations(self._model):
            rows = apply(name, layer, embedded, self.deltas)
            parts = list(rows.chunk(layer.out_features // layer.in_features, dim=1))
            for place in scales:
                parts[place] = 1 + parts[place]
            made += parts
        return torch.cat(made, dim=1)

    def _embed(self, times: torch.Tensor) -> torch.Tensor:
        """Conditioning vectors [steps, d]: time, guidance and pooled text, each through two layers, added up."""
        embedder, pooled, guidance = self._model.time_text_embed, self._course.pooled, self._course.guidance
        # The pipeline rounds and divides by 1000; the model multiplies by 1000 again.
        told = times.to(pooled.dtype) / 1000 * 1000
        vectors = self._layers("timestep_embedder", embedder.time_proj(told).to(pooled.dtype))
        if guidance is not None:
            strength = torch.full([len(times)], guidance, device=times.device).to(pooled.dtype) * 1000
            vectors = vectors + self._layers("guidance_embedder", embedder.time_proj(strength).to(pooled.dtype))
        return vectors + self._layers("text_embedder", pooled)

    def _layers(self, part: str, rows: torch.Tensor) -> torch.Tensor:
        layers, name = getattr(self._model.time_text_embed, part), f"time_text_embed.{part}"
        inner = functional.silu(apply(f"{name}.linear_1", layers.linear_1, rows, self.deltas))
        return apply(f"{name}.linear_2", layers.linear_2, inner, self.deltas)


def modulations(model: Any) -> list[tuple[str, Any, tuple[int, ...]]]:
    """Name and layer of every modulation of the model in the order of the blocks, and which of its parts are scales."""
    found: list[tuple[str, Any, tuple[int, ...]]] = []
    for number, block in enumerate(model.transformer_blocks):
        for norm in ("norm1", "norm1_context"):
            found.append((f"transformer_blocks.{number}.{norm}.linear", getattr(block, norm).linear, (1, 4)))
    for number, block in enumerate(model.single_transformer_blocks):
        found.append((f"single_transformer_blocks.{number}.norm.linear", block.norm.linear, (1,)))
    return [*found, ("norm_out.linear", model.norm_out.linear, (0,))]

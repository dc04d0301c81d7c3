"""The packed forward: one pass of FLUX's transformer over the tokens of several trajectories at once.

The modules and parameters are those of diffusers' FluxTransformer2DModel; the order of the arithmetic is ours. Tokens
lie without padding one segment after the other: text and picture apart in the double blocks, text before picture within
each segment in the single blocks and wherever tokens attend.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch.nn import functional

from fluxhouse.engine.attention import attend
from fluxhouse.engine.conditioning import Conditioning
from fluxhouse.engine.firstblock import FirstBlock, skippers
from fluxhouse.engine.kernels import Kernels
from fluxhouse.engine.layout import Layout, Modulation, Stream, concatenate
from fluxhouse.engine.linears import Projection
from fluxhouse.generation.request import Acceleration


@dataclass(frozen=True, slots=True, eq=False)
class Segment:
    """One trajectory's part of a pack: its picture tokens [n, in] with references behind, at step `step`.

    With a `memory` the blocks after the first are skipped where the first changes little.
    """

    tokens: torch.Tensor
    conditioning: Conditioning
    step: int
    memory: FirstBlock | None = None


class PackedTransformer:
    """A FluxTransformer2DModel's packed forward, its kernels `compiled` at the levels that allow it."""

    def __init__(self, model: Any, compiled: bool = False) -> None:
        self._model = model
        self._kernels = {level: Kernels(level, compiled) for level in Acceleration}
        self._embed = Projection({"x_embedder": model.x_embedder})
        self._doubles = [
            DoubleBlock(block, f"transformer_blocks.{number}") for number, block in enumerate(model.transformer_blocks)
        ]
        self._singles = [
            SingleBlock(block, f"single_transformer_blocks.{number}")
            for number, block in enumerate(model.single_transformer_blocks)
        ]
        self._unembed = Projection({"proj_out": model.proj_out})

    @torch.no_grad()
    def forward(self, segments: Sequence[Segment], level: Acceleration) -> list[torch.Tensor]:
        """The velocities [n, channels] of each segment's tokens, references included."""
        kernels, layout = self._kernels[level], Layout([segment.conditioning for segment in segments])
        rows = concatenate([segment.conditioning.modulation(segment.step) for segment in segments])
        modulation = Modulation(rows, self._model.inner_dim)
        tokens = concatenate([segment.tokens for segment in segments])
        (entered,) = self._embed(tokens, Acceleration.NONE, layout.picture.changed)
        text = concatenate([segment.conditioning.text for segment in segments])
        text, picture = self._doubles[0](text, entered, layout, modulation, kernels)
        ends = self._finish(segments, entered, text, picture, layout, modulation, kernels)
        scale, shift = modulation.last(2)
        normed = kernels.modulate(self._model.norm_out.norm, ends, scale, shift, layout.picture.owners)
        (velocities,) = self._unembed(normed, Acceleration.NONE, layout.picture.changed)
        return list(torch.split(velocities, layout.picture.sizes))

    def _finish(
        self,
        segments: Sequence[Segment],
        entered: torch.Tensor,
        text: torch.Tensor,
        picture: torch.Tensor,
        layout: Layout,
        modulation: Modulation,
        kernels: Kernels,
    ) -> torch.Tensor:
        """Picture tokens after all blocks but the first, which those segments skip whose memory allows it."""
        memories = [segment.memory for segment in segments]
        if not any(memories):
            return self._rest(text, picture, layout, modulation, kernels)
        texts, firsts = torch.split(text, layout.text.sizes), torch.split(picture, layout.picture.sizes)
        heads = torch.split(picture - entered, layout.picture.sizes)
        skipping = skippers(memories, heads)
        going = [number for number, skips in enumerate(skipping) if not skips]
        ends = list(firsts)
        for number, (memory, skips) in enumerate(zip(memories, skipping, strict=True)):
            if memory is not None and skips:
                ends[number] = memory.skip(firsts[number])
        if going:
            fewer = Layout([segments[number].conditioning for number in going])
            joined = concatenate([texts[number] for number in going]), concatenate([firsts[number] for number in going])
            made = torch.split(self._rest(*joined, fewer, modulation.of(going), kernels), fewer.picture.sizes)
            for number, end in zip(going, made, strict=True):
                ends[number] = end
                if (memory := memories[number]) is not None:
                    memory.remember(heads[number], end - firsts[number])
        return concatenate(ends)

    def _rest(
        self, text: torch.Tensor, picture: torch.Tensor, layout: Layout, modulation: Modulation, kernels: Kernels
    ) -> torch.Tensor:
        for double in self._doubles[1:]:
            text, picture = double(text, picture, layout, modulation, kernels)
        joint = layout.join(text, picture)
        for single in self._singles:
            joint = single(joint, layout, modulation, kernels)
        return layout.part(joint)[1]


class DoubleBlock:
    """Text and picture each through layers of their own, attending together."""

    def __init__(self, block: Any, name: str) -> None:
        attention = block.attn
        self._picture = _Half(
            block.norm1.norm,
            block.norm2,
            (attention.norm_q, attention.norm_k),
            Projection({f"{name}.attn.to_{kind}": getattr(attention, f"to_{kind}") for kind in "qkv"}),
            Projection({f"{name}.attn.to_out.0": attention.to_out[0]}),
            Projection({f"{name}.ff.net.0.proj": block.ff.net[0].proj}),
            Projection({f"{name}.ff.net.2": block.ff.net[2]}),
        )
        self._text = _Half(
            block.norm1_context.norm,
            block.norm2_context,
            (attention.norm_added_q, attention.norm_added_k),
            Projection({f"{name}.attn.add_{kind}_proj": getattr(attention, f"add_{kind}_proj") for kind in "qkv"}),
            Projection({f"{name}.attn.to_add_out": attention.to_add_out}),
            Projection({f"{name}.ff_context.net.0.proj": block.ff_context.net[0].proj}),
            Projection({f"{name}.ff_context.net.2": block.ff_context.net[2]}),
        )

    def __call__(
        self, text: torch.Tensor, picture: torch.Tensor, layout: Layout, modulation: Modulation, kernels: Kernels
    ) -> tuple[torch.Tensor, torch.Tensor]:
        of_picture, of_text = modulation.take(6), modulation.take(6)
        pictures = self._picture.heads(picture, of_picture, layout.picture, kernels)
        texts = self._text.heads(text, of_text, layout.text, kernels)
        query, key, value = (layout.join(*pair) for pair in zip(texts, pictures, strict=True))
        mixed = attend(query, key, value, layout.joint.sizes, exact=kernels.exact)
        text_mixed, picture_mixed = layout.part(mixed.flatten(1))
        picture = self._picture.finish(picture, picture_mixed, of_picture, layout.picture, kernels)
        return self._text.finish(text, text_mixed, of_text, layout.text, kernels), picture


@dataclass(frozen=True, slots=True, eq=False)
class _Half:
    """One stream's layers of a double block; modulation is shift, scale and gate of attention, then of feed-forward."""

    first_norm: Any
    second_norm: Any
    head_norms: tuple[Any, Any]
    into_heads: Projection
    out_of_heads: Projection
    into_feed: Projection
    out_of_feed: Projection

    def heads(
        self, tokens: torch.Tensor, parts: list[torch.Tensor], stream: Stream, kernels: Kernels
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Query, key and value [T, heads, width]."""
        normed = kernels.modulate(self.first_norm, tokens, parts[1], parts[0], stream.owners)
        return turned_heads(self.into_heads(normed, kernels.level, stream.changed), self.head_norms, stream, kernels)

    def finish(
        self,
        tokens: torch.Tensor,
        mixed: torch.Tensor,
        parts: list[torch.Tensor],
        stream: Stream,
        kernels: Kernels,
    ) -> torch.Tensor:
        """The stream's tokens with attention's and the feed-forward's part added."""
        (added,) = self.out_of_heads(mixed, kernels.level, stream.changed)
        tokens = kernels.gate(tokens, parts[2], added, stream.owners)
        normed = kernels.modulate(self.second_norm, tokens, parts[4], parts[3], stream.owners)
        (inner,) = self.into_feed(normed, kernels.level, stream.changed)
        (added,) = self.out_of_feed(functional.gelu(inner, approximate="tanh"), kernels.level, stream.changed)
        return kernels.gate(tokens, parts[5], added, stream.owners)


class SingleBlock:
    """Text and picture through the same layers, attention beside the feed-forward."""

    def __init__(self, block: Any, name: str) -> None:
        attention = block.attn
        linears = {f"{name}.attn.to_{kind}": getattr(attention, f"to_{kind}") for kind in "qkv"}
        self._norm, self._head_norms = block.norm.norm, (attention.norm_q, attention.norm_k)
        self._into = Projection(linears | {f"{name}.proj_mlp": block.proj_mlp})
        self._out_of = Projection({f"{name}.proj_out": block.proj_out})

    def __call__(self, tokens: torch.Tensor, layout: Layout, modulation: Modulation, kernels: Kernels) -> torch.Tensor:
        shift, scale, gate = modulation.take(3)
        stream = layout.joint
        normed = kernels.modulate(self._norm, tokens, scale, shift, stream.owners)
        *made, inner = self._into(normed, kernels.level, stream.changed)
        query, key, value = turned_heads(made, self._head_norms, stream, kernels)
        mixed = attend(query, key, value, stream.sizes, exact=kernels.exact).flatten(1)
        both = torch.cat([mixed, functional.gelu(inner, approximate="tanh")], dim=1)
        (added,) = self._out_of(both, kernels.level, stream.changed)
        return kernels.gate(tokens, gate, added, stream.owners)


def turned_heads(
    made: Sequence[torch.Tensor], norms: tuple[Any, Any], stream: Stream, kernels: Kernels
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Query, key and value [T, heads, width] of [T, d] each, the former two normalised and turned by their places."""
    query, key, value = (torch.unflatten(one, -1, (-1, len(norms[0].weight))) for one in made)
    query, key = (
        kernels.turn(norm, heads, stream.cosines, stream.sines) for norm, heads in zip(norms, (query, key), strict=True)
    )
    return query, key, value

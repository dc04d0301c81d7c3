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

from fluxhouse.engine.attention import attend, rotate
from fluxhouse.engine.conditioning import Conditioning
from fluxhouse.engine.firstblock import FirstBlock, skippers
from fluxhouse.engine.linears import Projection, Span, spans
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


@dataclass(frozen=True, slots=True, eq=False)
class Stream:
    """Rows of one kind: how many each segment has, whose each is (None where there is one segment), and their LoRAs."""

    sizes: list[int]
    owners: torch.Tensor | None
    changed: list[Span]

    def spread(self, rows: torch.Tensor) -> torch.Tensor:
        """Rows [segments, d] as each token sees its own: [T, d], or [1, d] where all see the same."""
        return rows if self.owners is None else rows.index_select(0, self.owners)


class Layout:
    """Where the tokens of which segment lie."""

    def __init__(self, segments: Sequence[Segment]) -> None:
        conditionings = [segment.conditioning for segment in segments]
        texts, pictures = ([conditioning.sizes[kind] for conditioning in conditionings] for kind in (0, 1))
        joint = [text + picture for text, picture in zip(texts, pictures, strict=True)]
        deltas = [conditioning.deltas for conditioning in conditionings]
        self.cosines = concatenate([conditioning.cosines for conditioning in conditionings])
        self.sines = concatenate([conditioning.sines for conditioning in conditionings])
        device = self.cosines.device

        def stream(sizes: list[int]) -> Stream:
            if len(sizes) == 1:
                return Stream(sizes, None, spans(sizes, deltas))
            owners = torch.repeat_interleave(torch.arange(len(sizes)), torch.tensor(sizes))
            return Stream(sizes, owners.to(device, non_blocking=True), spans(sizes, deltas))

        self.text, self.picture, self.joint = stream(texts), stream(pictures), stream(joint)

    def join(self, text: torch.Tensor, picture: torch.Tensor) -> torch.Tensor:
        """The tokens of both streams, segment by segment, text first."""
        pairs = zip(torch.split(text, self.text.sizes), torch.split(picture, self.picture.sizes), strict=True)
        return torch.cat([part for pair in pairs for part in pair])

    def part(self, joint: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Text and picture of joined tokens."""
        sizes = [size for pair in zip(self.text.sizes, self.picture.sizes, strict=True) for size in pair]
        parts = torch.split(joint, sizes)
        return concatenate(parts[0::2]), concatenate(parts[1::2])


class Modulation:
    """Rows [segments, k] of a pack's modulation at its steps, handed out part by part in the order of the blocks."""

    def __init__(self, rows: torch.Tensor, width: int, at: int = 0) -> None:
        self._rows, self._width, self._at = rows, width, at

    def take(self, count: int) -> list[torch.Tensor]:
        """The next `count` parts, [segments, d] each."""
        start, self._at = self._at, self._at + count * self._width
        return list(torch.split(self._rows[:, start : self._at], self._width, dim=1))

    def last(self, count: int) -> list[torch.Tensor]:
        """The last `count` parts."""
        return list(torch.split(self._rows[:, -count * self._width :], self._width, dim=1))

    def of(self, segments: Sequence[int]) -> Modulation:
        """The same place in the rows of some segments."""
        return Modulation(self._rows[list(segments)], self._width, self._at)


class PackedTransformer:
    """A FluxTransformer2DModel's packed forward."""

    def __init__(self, model: Any) -> None:
        self._model = model
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
        layout = Layout(segments)
        rows = concatenate([segment.conditioning.modulation(segment.step) for segment in segments])
        modulation = Modulation(rows, self._model.inner_dim)
        tokens = concatenate([segment.tokens for segment in segments])
        (entered,) = self._embed(tokens, Acceleration.NONE, layout.picture.changed)
        text = concatenate([segment.conditioning.text for segment in segments])
        text, picture = self._doubles[0](text, entered, layout, modulation, level)
        ends = self._finish(segments, entered, text, picture, layout, modulation, level)
        scale, shift = modulation.last(2)
        normed = modulated(self._model.norm_out.norm, ends, scale, shift, layout.picture, level)
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
        level: Acceleration,
    ) -> torch.Tensor:
        """Picture tokens after all blocks but the first, which those segments skip whose memory allows it."""
        memories = [segment.memory for segment in segments]
        if not any(memories):
            return self._rest(text, picture, layout, modulation, level)
        texts, firsts = torch.split(text, layout.text.sizes), torch.split(picture, layout.picture.sizes)
        heads = torch.split(picture - entered, layout.picture.sizes)
        skipping = skippers(memories, heads)
        going = [number for number, skips in enumerate(skipping) if not skips]
        ends = list(firsts)
        for number, (memory, skips) in enumerate(zip(memories, skipping, strict=True)):
            if memory is not None and skips:
                ends[number] = memory.skip(firsts[number])
        if going:
            fewer = Layout([segments[number] for number in going])
            joined = concatenate([texts[number] for number in going]), concatenate([firsts[number] for number in going])
            made = torch.split(self._rest(*joined, fewer, modulation.of(going), level), fewer.picture.sizes)
            for number, end in zip(going, made, strict=True):
                ends[number] = end
                if (memory := memories[number]) is not None:
                    memory.remember(heads[number], end - firsts[number])
        return concatenate(ends)

    def _rest(
        self, text: torch.Tensor, picture: torch.Tensor, layout: Layout, modulation: Modulation, level: Acceleration
    ) -> torch.Tensor:
        for double in self._doubles[1:]:
            text, picture = double(text, picture, layout, modulation, level)
        joint = layout.join(text, picture)
        for single in self._singles:
            joint = single(joint, layout, modulation, level)
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
        self._head_width = attention.head_dim

    def __call__(
        self, text: torch.Tensor, picture: torch.Tensor, layout: Layout, modulation: Modulation, level: Acceleration
    ) -> tuple[torch.Tensor, torch.Tensor]:
        of_picture, of_text = modulation.take(6), modulation.take(6)
        pictures = self._picture.heads(picture, of_picture, layout.picture, self._head_width, level)
        texts = self._text.heads(text, of_text, layout.text, self._head_width, level)
        query, key, value = (layout.join(*pair) for pair in zip(texts, pictures, strict=True))
        query, key = (rotate(tokens, layout.cosines, layout.sines) for tokens in (query, key))
        mixed = attend(query, key, value, layout.joint.sizes, exact=level is Acceleration.NONE)
        text_mixed, picture_mixed = layout.part(mixed.flatten(1))
        picture = self._picture.finish(picture, picture_mixed, of_picture, layout.picture, level)
        return self._text.finish(text, text_mixed, of_text, layout.text, level), picture


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
        self, tokens: torch.Tensor, parts: list[torch.Tensor], stream: Stream, width: int, level: Acceleration
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Query, key and value [T, heads, width]."""
        normed = modulated(self.first_norm, tokens, parts[1], parts[0], stream, level)
        made = self.into_heads(normed, level, stream.changed)
        query, key, value = (torch.unflatten(one, -1, (-1, width)) for one in made)
        return self.head_norms[0](query), self.head_norms[1](key), value

    def finish(
        self,
        tokens: torch.Tensor,
        mixed: torch.Tensor,
        parts: list[torch.Tensor],
        stream: Stream,
        level: Acceleration,
    ) -> torch.Tensor:
        """The stream's tokens with attention's and the feed-forward's part added."""
        (added,) = self.out_of_heads(mixed, level, stream.changed)
        tokens = gated(tokens, parts[2], added, stream, level)
        normed = modulated(self.second_norm, tokens, parts[4], parts[3], stream, level)
        (inner,) = self.into_feed(normed, level, stream.changed)
        (added,) = self.out_of_feed(functional.gelu(inner, approximate="tanh"), level, stream.changed)
        return gated(tokens, parts[5], added, stream, level)


class SingleBlock:
    """Text and picture through the same layers, attention beside the feed-forward."""

    def __init__(self, block: Any, name: str) -> None:
        attention = block.attn
        linears = {f"{name}.attn.to_{kind}": getattr(attention, f"to_{kind}") for kind in "qkv"}
        self._norm, self._head_norms = block.norm.norm, (attention.norm_q, attention.norm_k)
        self._into = Projection(linears | {f"{name}.proj_mlp": block.proj_mlp})
        self._out_of = Projection({f"{name}.proj_out": block.proj_out})
        self._head_width = attention.head_dim

    def __call__(
        self, tokens: torch.Tensor, layout: Layout, modulation: Modulation, level: Acceleration
    ) -> torch.Tensor:
        shift, scale, gate = modulation.take(3)
        stream = layout.joint
        normed = modulated(self._norm, tokens, scale, shift, stream, level)
        *made, inner = self._into(normed, level, stream.changed)
        query, key, value = (torch.unflatten(part, -1, (-1, self._head_width)) for part in made)
        query, key = self._head_norms[0](query), self._head_norms[1](key)
        query, key = (rotate(part, layout.cosines, layout.sines) for part in (query, key))
        mixed = attend(query, key, value, stream.sizes, exact=level is Acceleration.NONE).flatten(1)
        both = torch.cat([mixed, functional.gelu(inner, approximate="tanh")], dim=1)
        (added,) = self._out_of(both, level, stream.changed)
        return gated(tokens, gate, added, stream, level)


def modulated(
    norm: Any, tokens: torch.Tensor, scale: torch.Tensor, shift: torch.Tensor, stream: Stream, level: Acceleration
) -> torch.Tensor:
    """Normalised tokens [T, d], scaled and shifted by the rows [segments, d] of their segments."""
    if level is Acceleration.NONE:
        return norm(tokens) * stream.spread(scale) + stream.spread(shift)  # type: ignore[no-any-return]
    return torch.addcmul(stream.spread(shift), norm(tokens), stream.spread(scale))


def gated(
    tokens: torch.Tensor, gate: torch.Tensor, added: torch.Tensor, stream: Stream, level: Acceleration
) -> torch.Tensor:
    """Tokens [T, d] plus what is added, by the gates [segments, d] of their segments."""
    if level is Acceleration.NONE:
        return tokens + stream.spread(gate) * added
    return torch.addcmul(tokens, stream.spread(gate), added)


def concatenate(parts: Sequence[torch.Tensor]) -> torch.Tensor:
    """The parts end to end; a single one as it is."""
    return parts[0] if len(parts) == 1 else torch.cat(list(parts))

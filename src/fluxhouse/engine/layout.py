"""Where the tokens of a pack lie, whose they are, and by which modulation each segment's are changed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch

from fluxhouse.engine.conditioning import Conditioning
from fluxhouse.engine.linears import Span, spans


@dataclass(frozen=True, slots=True, eq=False)
class Stream:
    """Rows of one kind: how many each segment has, whose each is (None where there is one segment), and their LoRAs.

    `cosines` and `sines` [T, 1, width] turn each row by its place.
    """

    sizes: list[int]
    owners: torch.Tensor | None
    changed: list[Span]
    cosines: torch.Tensor
    sines: torch.Tensor


class Layout:
    """The streams of a pack: text, picture, and joint, which has text before picture within each segment."""

    def __init__(self, conditionings: Sequence[Conditioning]) -> None:
        texts, pictures = ([conditioning.sizes[kind] for conditioning in conditionings] for kind in (0, 1))
        self._parts = [size for pair in zip(texts, pictures, strict=True) for size in pair]
        deltas = [conditioning.deltas for conditioning in conditionings]
        cosines = concatenate([conditioning.cosines for conditioning in conditionings])
        sines = concatenate([conditioning.sines for conditioning in conditionings])

        def stream(sizes: list[int], cosines: torch.Tensor, sines: torch.Tensor) -> Stream:
            return Stream(sizes, _owners(sizes, cosines.device), spans(sizes, deltas), cosines, sines)

        of_text, of_picture = zip(self.part(cosines), self.part(sines), strict=True)
        self.text, self.picture = stream(texts, *of_text), stream(pictures, *of_picture)
        self.joint = stream([text + picture for text, picture in zip(texts, pictures, strict=True)], cosines, sines)

    def join(self, text: torch.Tensor, picture: torch.Tensor) -> torch.Tensor:
        """The tokens of both streams, segment by segment, text first."""
        pairs = zip(torch.split(text, self.text.sizes), torch.split(picture, self.picture.sizes), strict=True)
        return torch.cat([part for pair in pairs for part in pair])

    def part(self, joint: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Text and picture of joined tokens."""
        parts = torch.split(joint, self._parts)
        return concatenate(parts[0::2]), concatenate(parts[1::2])


def _owners(sizes: list[int], device: torch.device) -> torch.Tensor | None:
    if len(sizes) == 1:
        return None
    owners = torch.repeat_interleave(torch.arange(len(sizes)), torch.tensor(sizes))
    return owners.to(device, non_blocking=True)


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


def concatenate(parts: Sequence[torch.Tensor]) -> torch.Tensor:
    """The parts end to end; a single one as it is."""
    return parts[0] if len(parts) == 1 else torch.cat(list(parts))

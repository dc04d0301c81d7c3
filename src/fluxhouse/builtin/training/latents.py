"""A store of encoded pictures on disk, so that painting and encoding are done once and every update only reads."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor

from fluxhouse.builtin.painter.sampling import Stage
from fluxhouse.builtin.training.painting import Order, Painted, Painters
from fluxhouse.builtin.training.parts import Parts, encode

_SHAPES = ((1, 1), (1, 1), (1, 1), (4, 3), (3, 4), (16, 9), (9, 16), (3, 2), (2, 3))
"""Width to height of what is painted: square a third of the time."""

_SCALES = {1: 0.25, 3: 4, 6: 4, 11: 4, 14: 4}
"""Number of a shard among sixteen -> how many times the usual tokens its pictures have."""


@dataclass(frozen=True, slots=True)
class Shard:
    """Scaled latents [n, c, h, w] in half precision, for edits those they start from, and what each one shows."""

    latents: Tensor
    before: Tensor | None
    shown: tuple[Any, ...]

    @property
    def tokens(self) -> int:
        """Tokens of one picture."""
        return self.latents.shape[2] * self.latents.shape[3] // 4


@dataclass(frozen=True, slots=True)
class Plan:
    """What a store holds: pictures of a stage, of which a share are edits, most of about `tokens` tokens.

    A shard has `pictures` of these, fewer where they are larger: of sixteen shards four have four times the tokens and
    one a quarter.
    """

    stage: Stage
    seed: int
    tokens: int
    pictures: int
    edits: float = 0.0
    look: str | None = None

    def order(self, number: int, grid: int) -> Order:
        """The order for shard `number`, with tokens `grid` pixels wide."""
        rng = np.random.default_rng((self.seed, number))
        tokens = max(1, int(self.tokens * _SCALES.get(number % 16, 1)))
        across, down = _SHAPES[int(rng.integers(len(_SHAPES)))]
        unit = (tokens / (across * down)) ** 0.5
        columns, rows = max(1, round(across * unit)), max(1, round(down * unit))
        return Order(
            seed=(self.seed, number, 1),
            stage=self.stage,
            count=max(1, self.pictures * self.tokens // (columns * rows)),
            width=columns * grid,
            height=rows * grid,
            edits=bool(rng.random() < self.edits),
            look=self.look,
        )


def fill(folder: Path, plan: Plan, shards: int, parts: Parts, painters: Painters) -> Iterator[int]:
    """Paint and encode the shards that are missing of the first `shards`; yields the number of each as it is there."""
    folder.mkdir(parents=True, exist_ok=True)
    missing = [number for number in range(shards) if not _file(folder, number).exists()]
    painted = painters.paint(plan.order(number, parts.painted_grid) for number in missing)
    for number, pictures in zip(missing, painted, strict=True):
        _write(_file(folder, number), pictures, parts)
        yield number


def read(folder: Path, numbers: Iterable[int]) -> list[Shard]:
    """Those shards, in memory."""
    return [_read(_file(folder, number)) for number in numbers]


def _file(folder: Path, number: int) -> Path:
    return folder / f"{number:05}.safetensors"


def _write(path: Path, pictures: Painted, parts: Parts) -> None:
    tensors = {"latents": encode(parts, pictures.pixels).half().cpu().contiguous()}
    if pictures.before is not None:
        tensors["before"] = encode(parts, pictures.before).half().cpu().contiguous()
    unfinished = path.with_suffix(".unfinished")
    save_file(tensors, unfinished, metadata={"shown": json.dumps(pictures.shown)})
    os.replace(unfinished, path)


def _read(path: Path) -> Shard:
    with safe_open(path, "pt") as file:
        before = file.get_tensor("before") if "before" in file.keys() else None  # noqa: SIM118 (no mapping)
        return Shard(file.get_tensor("latents"), before, tuple(json.loads(file.metadata()["shown"])))


def batch(shard: Shard, rng: np.random.Generator, pictures: int) -> Shard:
    """So many of a shard's pictures, or all it has, as float32."""
    chosen = rng.permutation(len(shard.latents))[:pictures]
    rows = torch.from_numpy(chosen)
    before = None if shard.before is None else shard.before[rows].float()
    return Shard(shard.latents[rows].float(), before, tuple(shard.shown[number] for number in chosen))

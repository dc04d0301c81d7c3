"""LoRA files as low-rank deltas of a transformer's linear layers, and the cache that keeps them at hand."""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open

from fluxhouse.generation.errors import LoraRefused
from fluxhouse.generation.lora_layout import Pair, Tensor, layout_of

Shapes = Mapping[str, tuple[int, int]]
Delta = tuple[torch.Tensor, torch.Tensor]


@dataclass(frozen=True, slots=True, eq=False)
class Adapter:
    """The deltas of one LoRA, by diffusers' module names: `y += scale * (x @ A.T) @ B.T`.

    A is [rank, in], B is [out, rank] with alpha already in it; the caller's scale is not. Modules that a trainer treats
    as one share their A.
    """

    deltas: Mapping[str, Delta]

    @property
    def size_bytes(self) -> int:
        """Memory that the deltas take, a shared A counted once."""
        tensors = {id(tensor): tensor for delta in self.deltas.values() for tensor in delta}
        return sum(tensor.numel() * tensor.element_size() for tensor in tensors.values())


def linear_shapes(transformer: torch.nn.Module) -> Shapes:
    """(out, in) of every linear module, by name."""
    modules = transformer.named_modules()
    return {name: (found.out_features, found.in_features) for name, found in modules if _is_linear(found)}


def load_adapter(path: Path, shapes: Shapes, *, dtype: torch.dtype = torch.float32, device: str = "cpu") -> Adapter:
    """Read a LoRA of any known format for a transformer whose linear modules have these shapes, (out, in) each.

    Raises `LoraRefused`, naming the layer, where the file is damaged, of another kind, does not fit the transformer or
    holds numbers that are not finite.
    """
    try:
        with safe_open(str(path), framework="pt") as file:
            layout = layout_of({name: _described(file, name) for name in file.keys()}, file.metadata() or {})  # noqa: SIM118
            deltas: dict[str, Delta] = {}
            for pair in layout.pairs:
                deltas |= _deltas(file, pair, shapes)
    except (SafetensorError, OSError, ValueError) as error:
        raise LoraRefused("The LoRA's file cannot be read as safetensors.") from error
    kept: dict[int, torch.Tensor] = {}

    def move(tensor: torch.Tensor) -> torch.Tensor:
        return kept.setdefault(id(tensor), tensor.to(device=device, dtype=dtype))

    return Adapter({name: (move(down), move(up)) for name, (down, up) in deltas.items()})


class AdapterCache:
    """Adapters that were loaded, at most `byte_budget` of them; who was used least recently goes first.

    A file is known by its name, which is that of its content: storage never puts other bytes under it.
    """

    def __init__(self, byte_budget: int, *, dtype: torch.dtype = torch.float32, device: str = "cpu") -> None:
        self._byte_budget = byte_budget
        self._dtype = dtype
        self._device = device
        self._kept: OrderedDict[tuple[str, frozenset[tuple[str, tuple[int, int]]]], Adapter] = OrderedDict()
        self._bytes = 0

    @property
    def size_bytes(self) -> int:
        """Memory that the kept adapters take."""
        return self._bytes

    def get(self, path: Path, shapes: Shapes) -> Adapter:
        """The file's adapter for that transformer, loaded where it is not at hand; raises as `load_adapter` does."""
        key = (path.name, frozenset(shapes.items()))
        adapter = self._kept.pop(key, None)
        if adapter is None:
            adapter = load_adapter(path, shapes, dtype=self._dtype, device=self._device)
            self._bytes += adapter.size_bytes
        self._kept[key] = adapter
        while self._bytes > self._byte_budget:
            _, oldest = self._kept.popitem(last=False)
            self._bytes -= oldest.size_bytes
        return adapter


def _is_linear(module: torch.nn.Module) -> bool:
    return isinstance(module, torch.nn.Linear)


def _described(file: Any, name: str) -> Tensor:
    found = file.get_slice(name)
    return Tensor(found.get_dtype(), tuple(found.get_shape()))


def _deltas(file: Any, pair: Pair, shapes: Shapes) -> dict[str, Delta]:
    """The deltas of the modules that the pair is for."""
    modules = pair.layer.modules
    if missing := [name for name in modules if name not in shapes]:
        raise LoraRefused(f"The LoRA changes `{missing[0]}`, which this model does not have.")
    down, up = file.get_tensor(pair.down).float(), file.get_tensor(pair.up).float()
    _check_fit(pair, down, up, shapes)
    up = up * _strength(file, pair, len(down))
    if not (torch.isfinite(down).all() and torch.isfinite(up).all()):
        raise LoraRefused(f"The LoRA of `{modules[0]}` holds numbers that are not finite.")
    if pair.layer.halves_swapped:
        up = torch.cat(up.chunk(2)[::-1])
    ends = list(accumulate(shapes[name][0] for name in modules))
    rows = zip(modules, [0, *ends], ends, strict=False)
    return {name: _narrowed(down, up[begin:end]) for name, begin, end in rows}


def _check_fit(pair: Pair, down: torch.Tensor, up: torch.Tensor, shapes: Shapes) -> None:
    modules = pair.layer.modules
    width, height = shapes[modules[0]][1], sum(shapes[name][0] for name in modules)
    if (down.shape[1], len(up)) != (width, height):
        raise LoraRefused(
            f"The LoRA of `{modules[0]}` maps {down.shape[1]} to {len(up)} channels, this model {width} to {height}."
        )


def _strength(file: Any, pair: Pair, rank: int) -> float:
    if pair.alpha is None:
        return pair.strength
    alpha = float(file.get_tensor(pair.alpha).item())
    if not math.isfinite(alpha):
        raise LoraRefused(f"`{pair.alpha}` is not finite.")
    return alpha / rank


def _narrowed(down: torch.Tensor, up: torch.Tensor) -> Delta:
    """Without the ranks that add nothing: Kohya's trainer may write three pairs as one, its up matrix mostly zeros."""
    used = up.abs().amax(0) > 0
    if used.all() or not used.any():
        return down, up.contiguous()
    return down[used], up[:, used]

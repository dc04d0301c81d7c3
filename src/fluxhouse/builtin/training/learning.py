"""One network's way through training: gradient steps, learning rate, averaged weights, and all of it on disk."""

from __future__ import annotations

import json
import math
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

_SHARD_BYTES = 12 * 1024 * 1024
_STATE = "state.json"


class Learner:
    """Trains the parameters of some networks together.

    The learning rate rises over the first updates, holds, and falls to nothing by a cosine over the last fifth of
    `updates`; so a run may be stopped anywhere and `updates` raised later. `save` and `restore` keep everything that
    the next update depends on, so that a resumed run equals one that was never stopped.
    """

    def __init__(self, networks: Mapping[str, nn.Module], rate: float, updates: int, inertia: float = 0.999) -> None:
        self.done = 0
        self._rate, self._updates, self._inertia = rate, updates, inertia
        self._weights = {
            f"{network}.{name}": parameter
            for network, module in networks.items()
            for name, parameter in module.named_parameters()
            if parameter.requires_grad
        }
        self._averages = {name: weight.detach().clone() for name, weight in self._weights.items()}
        matrices = [weight for weight in self._weights.values() if weight.ndim > 1]
        others = [weight for weight in self._weights.values() if weight.ndim <= 1]
        groups: list[dict[str, Any]] = [{"params": matrices}, {"params": others, "weight_decay": 0.0}]
        self._optimizer = torch.optim.AdamW(
            groups,
            lr=rate,
            betas=(0.9, 0.99),
            weight_decay=0.01,
            fused=True,
        )

    @property
    def finished(self) -> bool:
        return self.done >= self._updates

    def learn(self, loss: Tensor) -> None:
        """One update down the loss."""
        self._optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(self._weights.values(), 1.0)
        for group in self._optimizer.param_groups:
            group["lr"] = self._rate * pace(self.done, self._updates)
        self._optimizer.step()
        self.done += 1
        share = max(1 - self._inertia, 9 / (10 + self.done))
        with torch.no_grad():
            torch._foreach_lerp_(list(self._averages.values()), list(self._weights.values()), share)

    @contextmanager
    def averaged(self) -> Iterator[None]:
        """Within it the networks hold the averaged weights."""
        kept = {name: weight.detach().clone() for name, weight in self._weights.items()}
        self._put(self._averages)
        try:
            yield
        finally:
            self._put(kept)

    def _put(self, values: Mapping[str, Tensor]) -> None:
        with torch.no_grad():
            for name, weight in self._weights.items():
                weight.copy_(values[name])

    def save(self, folder: Path) -> None:
        """Write the state whole or not at all, in files under 16 MiB."""
        tensors: dict[str, Tensor] = {}
        for name, weight in self._weights.items():
            kept = self._optimizer.state.get(weight, {})
            moments = {"first": kept.get("exp_avg"), "second": kept.get("exp_avg_sq")}
            parts = {"weight": weight.detach(), "average": self._averages[name], **moments}
            tensors |= {f"{part}/{name}": value.contiguous() for part, value in parts.items() if value is not None}
        unfinished = folder.with_name(f".{folder.name}")
        shutil.rmtree(unfinished, ignore_errors=True)
        unfinished.mkdir(parents=True)
        for number, shard in enumerate(_shards(tensors)):
            save_file(shard, unfinished / f"{number:03}.safetensors")
        (unfinished / _STATE).write_text(json.dumps({"done": self.done}) + "\n")
        shutil.rmtree(folder, ignore_errors=True)
        os.replace(unfinished, folder)

    def restore(self, folder: Path) -> bool:
        """Go on where the state in the folder stopped; False where there is none."""
        if not (folder / _STATE).exists():
            return False
        tensors: dict[str, Tensor] = {}
        for shard in sorted(folder.glob("*.safetensors")):
            tensors |= load_file(shard)
        self.done = int(json.loads((folder / _STATE).read_text())["done"])
        self._put({name: tensors[f"weight/{name}"] for name in self._weights})
        for name, weight in self._weights.items():
            self._averages[name].copy_(tensors[f"average/{name}"])
            if f"first/{name}" in tensors:
                self._optimizer.state[weight] = {
                    "step": torch.tensor(float(self.done), device=weight.device),
                    "exp_avg": tensors[f"first/{name}"].to(weight.device),
                    "exp_avg_sq": tensors[f"second/{name}"].to(weight.device),
                }
        return True


def pace(done: int, updates: int) -> float:
    """The share of the learning rate at which update `done` (from 0) of `updates` is made."""
    rise = min(1.0, (done + 1) / min(500, max(1, updates // 10)))
    fall_from = updates * 4 // 5
    if done < fall_from:
        return rise
    return rise * 0.5 * (1 + math.cos(math.pi * (done - fall_from) / max(1, updates - fall_from)))


def _shards(tensors: Mapping[str, Tensor]) -> Iterator[dict[str, Tensor]]:
    shard: dict[str, Tensor] = {}
    held = 0
    for name, tensor in tensors.items():
        size = tensor.numel() * tensor.element_size()
        if shard and held + size > _SHARD_BYTES:
            yield shard
            shard, held = {}, 0
        shard[name] = tensor
        held += size
    if shard:
        yield shard

"""One network's way through training: gradient steps, learning rate, averaged weights, and all of it on disk."""

from __future__ import annotations

import json
import math
import os
import re
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
_STEP = "step"
_MOMENTS = ("exp_avg", "exp_avg_sq", "momentum_buffer")
"""What optimizers keep of a weight beside the number of its updates."""

_BLOCK_MATRIX = re.compile(r"transformer_blocks\.\d+\.(?!norm)(?!.*lora_)")
"""Weights of attention and feed-forward, not of what modulates them, and not the slim ones of LoRAs."""

_MUON_PACE = 10.0
"""Muon's steps have the size of its rate, whatever the gradient's."""


class Learner:
    """Trains the parameters of some networks together.

    The learning rate rises over the first updates, holds, and falls to nothing by a cosine over the last fifth of
    `updates`; so a run may be stopped anywhere and `updates` raised later. `save` and `restore` keep everything that
    the next update depends on, so that a resumed run equals one that was never stopped.
    """

    def __init__(self, networks: Mapping[str, nn.Module], rate: float, updates: int, inertia: float = 0.999) -> None:
        self.done = 0
        self._updates, self._inertia = updates, inertia
        self._weights = {
            f"{network}.{name}": parameter
            for network, module in networks.items()
            for name, parameter in module.named_parameters()
            if parameter.requires_grad
        }
        self._averages = {name: weight.detach().clone() for name, weight in self._weights.items()}
        self._optimizers = _optimizers(self._weights, rate)

    @property
    def finished(self) -> bool:
        return self.done >= self._updates

    def learn(self, loss: Tensor) -> None:
        """One update down the loss."""
        for weight in self._weights.values():
            weight.grad = None
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(self._weights.values(), 1.0)
        for optimizer in self._optimizers:
            for group in optimizer.param_groups:
                group["lr"] = group["initial_lr"] * pace(self.done, self._updates)
            optimizer.step()
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
            moments = {moment: value for moment, value in self._state(weight).items() if moment != _STEP}
            parts = {"weight": weight.detach(), "average": self._averages[name], **moments}
            tensors |= {f"{part}/{name}": value.contiguous() for part, value in parts.items()}
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
            moments = {
                moment: tensors[f"{moment}/{name}"].to(weight.device)
                for moment in _MOMENTS
                if f"{moment}/{name}" in tensors
            }
            if moments:
                self._state(weight).update(moments, step=torch.tensor(float(self.done), device=weight.device))
        return True

    def _state(self, weight: nn.Parameter) -> dict[str, Tensor]:
        """What the weight's optimizer keeps of it."""
        holds = next(one for one in self._optimizers if any(weight is other for other in _parameters(one)))
        kept: dict[str, Tensor] = holds.state[weight]
        return kept


def _optimizers(weights: Mapping[str, nn.Parameter], rate: float) -> list[torch.optim.Optimizer]:
    """Muon for the matrices of a transformer's blocks, which learn from fewer pictures so, and AdamW for all else."""
    hidden = [weight for name, weight in weights.items() if _BLOCK_MATRIX.search(name) and weight.ndim == 2]
    others = [weight for name, weight in weights.items() if not (_BLOCK_MATRIX.search(name) and weight.ndim == 2)]
    plain: list[dict[str, Any]] = [
        {"params": [weight for weight in others if weight.ndim > 1]},
        {"params": [weight for weight in others if weight.ndim <= 1], "weight_decay": 0.0},
    ]
    found: list[torch.optim.Optimizer] = [
        torch.optim.AdamW(plain, lr=rate, betas=(0.9, 0.99), weight_decay=0.01, fused=True)
    ]
    if hidden:
        found.append(torch.optim.Muon(hidden, lr=_MUON_PACE * rate, weight_decay=0.01))
    for optimizer in found:
        for group in optimizer.param_groups:
            group["initial_lr"] = group["lr"]
    return found


def _parameters(optimizer: torch.optim.Optimizer) -> Iterator[nn.Parameter]:
    for group in optimizer.param_groups:
        yield from group["params"]


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

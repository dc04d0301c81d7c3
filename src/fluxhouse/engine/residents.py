"""Which models are in memory: as many as a budget of bytes allows, sharing what is equal, the idle ones leaving."""

from __future__ import annotations

import gc
from collections import OrderedDict
from collections.abc import Collection, Mapping
from typing import Any

import torch

from fluxhouse.engine.checkpoints import Checkpoint, Network, examine, share
from fluxhouse.engine.memory import budget_bytes, gigabytes
from fluxhouse.engine.options import ModelWeights
from fluxhouse.engine.weights import Weights, assemble, load_network
from fluxhouse.generation.errors import WeightsUnavailable


class Residents:
    """The models of one engine on its device, loaded when they are asked for.

    Models with the same folder and file are one. `limit_bytes` bounds the numbers of all networks in memory; None
    leaves it to the device. What a step computes with comes on top, and `beside_bytes` are taken by something else.
    """

    def __init__(
        self,
        models: Mapping[str, ModelWeights],
        device: torch.device,
        dtype: torch.dtype,
        limit_bytes: int | None,
        beside_bytes: int = 0,
    ) -> None:
        """Look at every checkpoint, load none. Raises WeightsUnavailable for one that could never fit."""
        places = {model: (one.folder.resolve(), one.transformer_file) for model, one in models.items()}
        shared = share(examine(*place) for place in dict.fromkeys(places.values()))
        self._checkpoints = dict(zip(dict.fromkeys(places.values()), shared, strict=True))
        self._places = places
        self._device, self._dtype = device, dtype
        self._type = str(dtype).removeprefix("torch.")
        self._limit = budget_bytes(str(device), _device_bytes(device)) if limit_bytes is None else limit_bytes
        self._limit -= beside_bytes
        self._networks: dict[Network, Any] = {}
        self._weights: OrderedDict[Any, Weights] = OrderedDict()
        self.loads = 0
        """How many models were put into memory, an evicted one counted again."""
        for model in models:
            self._require_room(model)

    def __contains__(self, model: str) -> bool:
        return self._places[model] in self._weights

    @property
    def bytes_in_use(self) -> int:
        return sum(network.memory_bytes(self._type) for network in self._networks)

    def grid(self, model: str) -> int:
        """Sizes of this model are multiples of so many pixels; known without loading it."""
        return self._checkpoints[self._places[model]].grid

    def fits(self, model: str, in_use: Collection[str]) -> bool:
        """Whether the model is in memory or can be, while those in use stay there."""
        return self._bytes_of({model, *in_use}) <= self._limit

    def take(self, model: str, in_use: Collection[str] = ()) -> Weights:
        """The model's weights, loaded where they are not there, for which the longest unused leave but those in use.

        Raises WeightsUnavailable where the files have gone meanwhile.
        """
        place = self._places[model]
        if place not in self._weights:
            self._make_room(model, in_use)
            self._weights[place] = self._load(self._checkpoints[place])
            self.loads += 1
        self._weights.move_to_end(place)
        return self._weights[place]

    def _load(self, checkpoint: Checkpoint) -> Weights:
        try:
            for network in checkpoint.networks.values():
                if network not in self._networks:
                    self._networks[network] = load_network(network, self._device, self._dtype)
            networks = {part: self._networks[network] for part, network in checkpoint.networks.items()}
            return assemble(checkpoint, networks, self._device, self._dtype)
        except BaseException:
            self._forget_unused()
            raise

    def _make_room(self, model: str, in_use: Collection[str]) -> None:
        kept = {self._places[one] for one in in_use}
        for place in [place for place in self._weights if place not in kept]:
            if self._bytes_of({model}, self._weights) <= self._limit:
                break
            del self._weights[place]
        self._forget_unused()

    def _forget_unused(self) -> None:
        wanted = {network for place in self._weights for network in self._checkpoints[place].networks.values()}
        gone = [network for network in self._networks if network not in wanted]
        for network in gone:
            del self._networks[network]
        if gone:
            gc.collect()
            if self._device.type == "cuda":
                torch.cuda.empty_cache()

    def _bytes_of(self, models: Collection[str], places: Collection[Any] = ()) -> int:
        """What the networks of these models, and of those at the places, take together."""
        wanted = {*(self._places[model] for model in models), *places}
        networks = {network for place in wanted for network in self._checkpoints[place].networks.values()}
        return sum(network.memory_bytes(self._type) for network in networks)

    def _require_room(self, model: str) -> None:
        checkpoint = self._checkpoints[self._places[model]]
        needed = checkpoint.memory_bytes(self._type)
        if needed > self._limit:
            parts = ", ".join(
                f"{part} {gigabytes(network.memory_bytes(self._type))}" for part, network in checkpoint.networks.items()
            )
            raise WeightsUnavailable(
                f"{model} needs {gigabytes(needed)} of memory in {self._type} ({parts}), and there are "
                f"{gigabytes(self._limit)} for models: see FLUXHOUSE_MODEL_BYTES."
            )


def _device_bytes(device: torch.device) -> int | None:
    return torch.cuda.get_device_properties(device).total_memory if device.type == "cuda" else None

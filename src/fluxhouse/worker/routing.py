"""Routing: which backend makes the images of which model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from fluxhouse.generation.backend import Backend, Serving
from fluxhouse.generation.errors import ModelUnavailable

ANY = "*"


class Router:
    """Backends by model id; the one under `*` stands in for every model that has none of its own.

    `serving` says of each model served here who makes it and with which defaults. `stand_ins` are those, in order, who
    make a model's images where the backends before them cannot.
    """

    def __init__(
        self,
        backends: Mapping[str, Backend],
        serving: Mapping[str, Serving],
        stand_ins: Mapping[str, Sequence[Backend]] | None = None,
    ) -> None:
        self._backends = dict(backends)
        self._stand_ins = stand_ins or {}
        self._serving = {model: facts for model, facts in serving.items() if ANY in backends or model in backends}

    def backend_for(self, model: str) -> Backend:
        """The backend that makes this model's images; raises `ModelUnavailable`."""
        backend = self._backends.get(model) or self._backends.get(ANY)
        if backend is None:
            raise ModelUnavailable(f"No backend of this installation serves `{model}` now.", field="model")
        return backend

    def route(self, model: str) -> Sequence[Backend]:
        """Who makes this model's images, in the order in which they are asked; raises `ModelUnavailable`."""
        return [self.backend_for(model), *self._stand_ins.get(model, ())]

    def all(self) -> Sequence[Backend]:
        """Every backend once."""
        stand_ins = (backend for several in self._stand_ins.values() for backend in several)
        return list({id(backend): backend for backend in (*self._backends.values(), *stand_ins)}.values())

    def serving(self) -> Mapping[str, Serving]:
        """What is served here, by model id."""
        return self._serving

    def rooms(self, held: Sequence[str], ahead: int) -> list[tuple[int, list[str]]]:
        """For each backend with room: how many more jobs, and of which models, where jobs of the models `held` run."""
        rooms = []
        for backend, models in self.backends():
            room = backend.slots + ahead - sum(model in models for model in held)
            if room > 0:
                rooms.append((room, list(models)))
        return rooms

    def backends(self) -> Sequence[tuple[Backend, Sequence[str]]]:
        """Each backend once, with the ids of the models it makes."""
        found: dict[int, tuple[Backend, list[str]]] = {}
        for model in self._serving:
            backend = self.backend_for(model)
            found.setdefault(id(backend), (backend, []))[1].append(model)
        return list(found.values())

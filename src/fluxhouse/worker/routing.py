"""Routing: which backend makes the images of which model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from fluxhouse.generation.backend import Backend, Serving
from fluxhouse.generation.errors import ModelUnavailable

ANY = "*"


class Router:
    """Backends by model id; the one under `*` stands in for every model that has none of its own.

    `serving` says of each model served here who makes it and with which defaults.
    """

    def __init__(self, backends: Mapping[str, Backend], serving: Mapping[str, Serving]) -> None:
        self._backends = dict(backends)
        self._serving = {model: facts for model, facts in serving.items() if ANY in backends or model in backends}

    def backend_for(self, model: str) -> Backend:
        """The backend that makes this model's images; raises `ModelUnavailable`."""
        backend = self._backends.get(model) or self._backends.get(ANY)
        if backend is None:
            raise ModelUnavailable(f"No backend of this installation serves `{model}` now.", field="model")
        return backend

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

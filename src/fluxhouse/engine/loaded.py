"""The models at hand: their weights, the packed forward over them, and what is known of its costs."""

from __future__ import annotations

from collections.abc import Collection, Hashable
from dataclasses import dataclass
from typing import Protocol

import torch

from fluxhouse.engine.checkers import examine_checker
from fluxhouse.engine.lora import Shapes, linear_shapes
from fluxhouse.engine.options import EngineOptions
from fluxhouse.engine.profile import Profile, shortest_survey_seconds, survey
from fluxhouse.engine.prompt import PromptEncoder
from fluxhouse.engine.rehearsal import Rehearsal
from fluxhouse.engine.residents import Residents
from fluxhouse.engine.trajectory import Trajectory
from fluxhouse.engine.transformer import PackedTransformer
from fluxhouse.engine.weights import Weights

_TRIED_AT = (1, 10, 100, 1000)
"""Steps of a lane at which a survey is tried: a machine that was too busy for it may be less so later."""
_LONGEST_STEP_SECONDS = 1.0
"""A pack is no larger than what takes so long: every step is a chance to cancel and to overtake."""


@dataclass(frozen=True, slots=True)
class Loaded:
    """A model in memory, and what was made of it."""

    weights: Weights
    packed: PackedTransformer
    shapes: Shapes


class Memory(Protocol):
    """What holds models in memory, as `Residents` does for checkpoints."""

    def __contains__(self, model: str) -> bool: ...

    def grid(self, model: str) -> int: ...

    def fits(self, model: str, in_use: Collection[str]) -> bool: ...

    def take(self, model: str, in_use: Collection[str] = ()) -> Weights: ...


class LoadedModels:
    """The models of one engine, loaded when they are first used."""

    def __init__(
        self, options: EngineOptions, device: torch.device, dtype: torch.dtype, memory: Memory | None = None
    ) -> None:
        """Look at every checkpoint, where no `memory` holds models already. Raises WeightsUnavailable."""
        self._options = options
        beside = 0 if options.checker is None else examine_checker(options.checker).memory_bytes
        self._residents = memory or Residents(options.models, device, dtype, options.model_bytes, beside)
        self._loaded: dict[str, Loaded] = {}
        self._profiles: dict[Hashable, Profile] = {}
        self._steps: dict[Hashable, int] = {}
        self._surveyed: set[Hashable] = set()
        self.prompts = PromptEncoder()

    def grid(self, model: str) -> int:
        """Sizes of this model are multiples of so many pixels."""
        return self._residents.grid(model)

    def fits(self, model: str, in_use: Collection[str]) -> bool:
        """Whether the model is in memory, or can be beside those in use."""
        return self._residents.fits(model, in_use)

    def take(self, model: str, in_use: Collection[str]) -> Loaded:
        """The model in memory, loaded where it is not; idle ones may have to leave. Raises WeightsUnavailable."""
        if model not in self._residents:
            # What was made of a model must not outlive it.
            self._loaded = {name: loaded for name, loaded in self._loaded.items() if name in in_use}
        weights = self._residents.take(model, in_use)
        if model not in self._loaded:
            same = next((loaded for loaded in self._loaded.values() if loaded.weights is weights), None)
            self._loaded[model] = same or self._make(weights)
        return self._loaded[model]

    def _make(self, weights: Weights) -> Loaded:
        packed = PackedTransformer(weights.transformer, self._options.compiled)
        return Loaded(weights, packed, linear_shapes(weights.transformer))

    def profile(self, trajectory: Trajectory) -> Profile:
        """What is known of the costs of its lane."""
        return self._profiles.get(trajectory.lane, Profile())

    def usual_seconds(self, trajectory: Trajectory) -> float | None:
        """What a step of it should take; None where its model is to be loaded first or its lane was never measured."""
        if trajectory.request.model not in self._residents or trajectory.lane not in self._profiles:
            return None
        return self._profiles[trajectory.lane].seconds(trajectory.lengths)

    def pack_tokens(self, trajectory: Trajectory) -> int:
        """How many tokens a pack of its lane may have: bounded by memory, by time, and by what was proven."""
        profile, most = self.profile(trajectory), self._options.pack_tokens
        most = min(most, profile.tokens_within(_LONGEST_STEP_SECONDS))
        return {"never": 0, "always": most, "proven": min(most, profile.proven_tokens)}[self._options.packing]

    @torch.no_grad()
    def rehearse(self, trajectory: Trajectory, loaded: Loaded, step_seconds: float) -> None:
        """Measure the profile of its lane where that is not done and a step is so short that it takes but a moment."""
        lane = trajectory.lane
        self._steps[lane] = self._steps.get(lane, 0) + 1
        if lane in self._surveyed or self._steps[lane] not in _TRIED_AT:
            return
        rough = Profile(per_token=step_seconds / trajectory.tokens)
        self._profiles[lane] = rough
        text_tokens = self._options.models[trajectory.request.model].max_text_tokens
        if shortest_survey_seconds(rough, text_tokens) > self._options.survey_seconds:
            return
        self.prompts.prove(loaded.weights, text_tokens)
        rehearsal = Rehearsal(loaded.weights, loaded.packed, trajectory.request.acceleration, text_tokens)
        self._profiles[lane] = survey(rehearsal, text_tokens, self._options.survey_seconds)
        self._surveyed.add(lane)

"""Who makes the images here: engines, test cards and the built-in checkpoint, as the settings name them."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from importlib.util import find_spec
from pathlib import Path

from fluxhouse import builtin
from fluxhouse.assembly.providers import has_model, is_provider, make_providers, usual_of
from fluxhouse.catalog.catalog import Catalog
from fluxhouse.catalog.model import Model
from fluxhouse.engine.checkers import examine_checker
from fluxhouse.engine.checkpoints import examine
from fluxhouse.engine.engine import Engine
from fluxhouse.engine.options import EngineOptions, ModelWeights
from fluxhouse.engine.sources import Place, locate, locate_checker
from fluxhouse.engine.testcard import TestCard
from fluxhouse.generation.backend import Backend, Serving
from fluxhouse.generation.errors import WeightsUnavailable
from fluxhouse.generation.moderation import Moderation
from fluxhouse.generation.request import Task
from fluxhouse.providers.provider import Provider
from fluxhouse.settings import Settings, SettingsRefused
from fluxhouse.worker.routing import ANY

TESTCARD = "testcard"
ENGINE_PACKAGES = ("torch", "diffusers", "transformers", "safetensors", "tokenizers")
_REAL = "fluxhouse-engine"
_DEFAULTS = {
    (True, False): (28, 3.5, 512),
    (False, False): (4, None, 256),
    (True, True): (28, 30.0, 512),
    (False, True): (28, None, 512),
}
"""Steps, guidance and text tokens by what a checkpoint is: whether it takes guidance, and whether it is a Fill one."""


class EngineMissing(RuntimeError):
    """The packages that make images are not installed."""


@dataclass(frozen=True, slots=True)
class Made:
    """Who makes the images here: backends by model id, what they serve, and the engines among them, not yet started.

    `stand_ins` are the backends that come after the first one, by model id in order.
    """

    backends: Mapping[str, Backend]
    serving: Mapping[str, Serving]
    engines: Sequence[Engine] = ()
    providers: Sequence[Provider] = ()
    stand_ins: Mapping[str, Sequence[Backend]] = field(default_factory=dict)


def make_backends(settings: Settings, catalog: Catalog) -> Made:
    """The backends that `FLUXHOUSE_MODELS` names, the built-in model for everything where it names none."""
    ids = [model.id for model in catalog.models]
    if unknown := [name for name in settings.models if name not in (ANY, *ids)]:
        raise SettingsRefused(f"FLUXHOUSE_MODELS: there is no model {unknown[0]!r}; there are {', '.join(ids)}")
    routes = {model: route for model in ids if (route := _route(model, settings))}
    named = [(model, source) for model, route in routes.items() for source in route]
    cards = _cards({source for _, source in named})
    elsewhere = [(model, source) for model, source in named if is_provider(source)]
    providers = make_providers(settings, elsewhere)
    weights = {
        model: _weights(source, settings, catalog.model(model))
        for model, source in named
        if source not in cards and (model, source) not in elsewhere
    }
    checker, names = _checker(settings), (builtin.NAME, _REAL)
    engines = [engine for name in names if (engine := _engine(name, weights, settings, checker)) is not None]
    by_engine = {model: engine for engine in engines for model in engine.serving}

    def made_by(model: str, source: str) -> Backend:
        if source in cards:
            return cards[source]
        return providers[source.partition(":")[0]] if is_provider(source) else by_engine[model]

    chosen = {model: [made_by(model, source) for source in route] for model, route in routes.items()}
    serving = {model: _serving(backends[0], model, catalog) for model, backends in chosen.items()}
    stand_ins = {model: backends[1:] for model, backends in chosen.items() if backends[1:]}
    firsts = {model: backends[0] for model, backends in chosen.items()}
    return Made(firsts, serving, engines, list(providers.values()), stand_ins)


def _route(model: str, settings: Settings) -> Sequence[str]:
    """The sources of a model in order; those of `*` leave out the providers that have no such model."""
    own = settings.sources.get(model)
    route = own or settings.sources.get(ANY, () if settings.models else (str(builtin.FOLDER),))
    lacking = [source for source in route if is_provider(source) and not has_model(source, model)]
    if own and lacking:
        raise SettingsRefused(f"FLUXHOUSE_MODELS: {lacking[0]} has no {model}; say which of its models, {lacking[0]}:…")
    kept = [source for source in route if source not in lacking]
    here = [source for source in kept if not is_provider(source) and source.partition(":")[0] != TESTCARD]
    if len(here) > 1 or len({source.partition(":")[0] for source in kept if source not in here}) < len(kept) - len(
        here
    ):
        raise SettingsRefused(f"FLUXHOUSE_MODELS: {model} may have one checkpoint here and each provider once")
    return kept


def _cards(sources: Iterable[str]) -> Mapping[str, TestCard]:
    """Those that `testcard` or `testcard:SECONDS` names, which is how long a step shall take."""
    try:
        return {source: TestCard.named(source) for source in sources if source.partition(":")[0] == TESTCARD}
    except ValueError:
        raise SettingsRefused("FLUXHOUSE_MODELS: testcard:SECONDS takes the seconds of one step") from None


def models_folder(settings: Settings) -> Path:
    """Where this data folder keeps the checkpoints that were pulled from a hub."""
    return settings.data_folder / "models"


def require_engine_packages() -> None:
    """Raise `EngineMissing` unless what makes images is installed."""
    if missing := [name for name in ENGINE_PACKAGES if find_spec(name) is None]:
        raise EngineMissing(f"the engine needs {', '.join(missing)}: install with pip install 'fluxhouse[engine]'")


def _engine(name: str, weights: Mapping[str, ModelWeights], settings: Settings, checker: Path | None) -> Engine | None:
    """The engine of that name with the weights it may show under it; None where there are none."""
    models = {model: one for model, one in weights.items() if _shown_name(Place(*one.places)) == name}
    if not models:
        return None
    threads = settings.threads or min(os.cpu_count() or 1, 16)
    readable = tuple({folder for folder in (settings.files_folder, settings.storage_folder) if folder is not None})
    return Engine(
        EngineOptions(
            models,
            name,
            settings.device,
            settings.dtype,
            threads,
            readable=readable,
            model_bytes=settings.model_bytes,
            checker=checker,
            hang_seconds=settings.hang_after.total_seconds(),
            survey_seconds=0.5 if settings.device == "cpu" else 5.0,  # There the largest packs are worth proving.
        )
    )


def _checker(settings: Settings) -> Path | None:
    """The folder of the safety checker, if there is to be one; raises `SettingsRefused` where it is not fit."""
    if settings.safety_checker is None:
        return None
    try:
        return examine_checker(locate_checker(settings.safety_checker, models_folder(settings))).folder
    except WeightsUnavailable as error:
        raise SettingsRefused(f"FLUXHOUSE_SAFETY_CHECKER: {error.message}") from None


def _shown_name(place: Place) -> str:
    """The built-in model is never passed off as something else, wherever it was copied to."""
    stands_in = (place.folder / builtin.MARKER).exists()
    return builtin.NAME if stands_in and place.transformer_file is None else _REAL


def _weights(source: str, settings: Settings, model: Model) -> ModelWeights:
    """What holds for the checkpoint of a setting; raises `SettingsRefused` where it is not here or not fit."""
    try:
        place = locate(source, models_folder(settings))
        if _shown_name(place) == builtin.NAME:
            defaults = (builtin.DEFAULT_STEPS, builtin.DEFAULT_GUIDANCE, builtin.MAX_TEXT_TOKENS)
            return ModelWeights(place.folder, *defaults, fit_references=True)
        checkpoint = examine(place.folder, place.transformer_file)
    except WeightsUnavailable as error:
        raise SettingsRefused(f"FLUXHOUSE_MODELS: {error.message}") from None
    if checkpoint.fills and model.input_task is Task.EDIT:
        raise SettingsRefused(f"FLUXHOUSE_MODELS: {source} is a Fill checkpoint, which cannot serve {model.id}")
    steps, guidance, text_tokens = _DEFAULTS[(checkpoint.guided, checkpoint.fills)]
    return ModelWeights(place.folder, steps, guidance, text_tokens, transformer_file=place.transformer_file)


def handed_in(backends: Mapping[str, Backend], catalog: Catalog) -> Made:
    """Backends that somebody else started."""
    serving = {
        model.id: _facts(backend)
        for model in catalog.models
        if (backend := backends.get(model.id) or backends.get(ANY)) is not None
    }
    return Made(backends, serving)


def _serving(backend: Backend, model: str, catalog: Catalog) -> Serving:
    if isinstance(backend, Engine):
        facts = backend.serving[model]
        unneeded = facts.backend == builtin.NAME and facts.moderation is Moderation.NONE
        return replace(facts, moderation=Moderation.BUILTIN) if unneeded else facts
    return usual_of(backend, model, catalog) if isinstance(backend, Provider) else _facts(backend)


def _facts(backend: Backend) -> Serving:
    """A backend's defaults; the built-in model's for one that has none of its own."""
    if isinstance(backend, TestCard):
        return Serving(backend.name, backend.steps, backend.guidance)
    return Serving(backend.name, builtin.DEFAULT_STEPS, builtin.DEFAULT_GUIDANCE)

"""Who makes images elsewhere: the providers that the settings name, with their keys and hosts."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from pydantic import SecretStr

from fluxhouse.catalog.catalog import Catalog
from fluxhouse.generation.backend import Serving
from fluxhouse.generation.moderation import Moderation
from fluxhouse.providers import bfl, fal, openai, replicate
from fluxhouse.providers.host import Fetch
from fluxhouse.providers.provider import Provider, ProviderOptions
from fluxhouse.providers.vendor import Vendor
from fluxhouse.settings import Settings, SettingsRefused, variable
from fluxhouse.storage.fetch import Fetcher

_FIELD = "image"


@dataclass(frozen=True, slots=True)
class _Known:
    """A vendor: how it is made of key, fetch and URL, its own URL, and the settings of both."""

    make: Callable[[str, Fetch, str], Vendor]
    models: Mapping[str, str]
    url: str
    key_setting: str
    url_setting: str


_KNOWN: Mapping[str, _Known] = {
    replicate.NAME: _Known(
        replicate.Replicate, replicate.Replicate.models, replicate.URL, "replicate_token", "replicate_url"
    ),
    fal.NAME: _Known(fal.Fal, fal.Fal.models, fal.URL, "fal_key", "fal_url"),
    bfl.NAME: _Known(bfl.Bfl, bfl.Bfl.models, bfl.URL, "bfl_key", "bfl_url"),
    openai.NAME: _Known(openai.OpenAI, openai.OpenAI.models, openai.URL, "openai_key", "openai_url"),
}


def is_provider(source: str) -> bool:
    """Whether a source of FLUXHOUSE_MODELS, such as `fal` or `replicate:owner/name`, names a provider."""
    return source.partition(":")[0] in _KNOWN


def has_model(source: str, model: str) -> bool:
    """Whether a provider's source makes this model of ours, by its own list or because it says under which name."""
    name, _, said = source.partition(":")
    return bool(said) or model in _KNOWN[name].models


def make_providers(settings: Settings, wanted: Iterable[tuple[str, str]]) -> Mapping[str, Provider]:
    """Each provider that the pairs of model and source name, once; raises `SettingsRefused` where a key is missing."""
    if unknown := [name for name in settings.idempotent_providers if name not in _KNOWN]:
        raise SettingsRefused(
            f"FLUXHOUSE_IDEMPOTENT_PROVIDERS: there is no {unknown[0]!r}; there are {', '.join(_KNOWN)}"
        )
    names: dict[str, dict[str, str]] = {}
    for model, source in wanted:
        name, _, said = source.partition(":")
        names.setdefault(name, {})[model] = said or _KNOWN[name].models[model]
    return {name: _provider(name, models, settings) for name, models in names.items()}


def usual_of(provider: Provider, model: str, catalog: Catalog) -> Serving:
    """What holds where a request prints no default: the provider's, which are those of the checkpoint."""
    guided = catalog.model(model).parameter("guidance_scale") is not None
    return Serving(provider.name, 28 if guided else 4, 3.5 if guided else None, Moderation.PROVIDER)


def _provider(name: str, models: Mapping[str, str], settings: Settings) -> Provider:
    known = _KNOWN[name]
    key: SecretStr | None = getattr(settings, known.key_setting)
    url: str | None = getattr(settings, known.url_setting)
    if key is None and (name != openai.NAME or url is None):
        raise SettingsRefused(f"FLUXHOUSE_MODELS: {name} needs {variable(known.key_setting)}")
    vendor = known.make("" if key is None else key.get_secret_value(), _fetch_by(settings), url or known.url)
    options = ProviderOptions(slots=settings.provider_slots, exact=name in settings.idempotent_providers)
    return Provider(vendor, models, options)


def _fetch_by(settings: Settings) -> Fetch:
    """Pictures that a vendor keeps on another host are fetched by the rules for addresses of strangers."""
    fetcher = Fetcher(settings.egress_allow)

    async def fetch(url: str, max_bytes: int, seconds: float) -> bytes:
        return await fetcher.get(url, max_bytes, seconds, _FIELD)

    return fetch

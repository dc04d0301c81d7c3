"""Who writes prompts out, as the settings name it, and what the catalog offers where there is one."""

from __future__ import annotations

from fluxhouse.catalog.catalog import Catalog
from fluxhouse.providers.upsampler import ChatUpsampler, UpsamplerOptions
from fluxhouse.settings import Settings

_PARAMETER = "prompt_upsampling"


def load_catalog(settings: Settings) -> Catalog:
    """The catalog as it holds here: without a language model, `prompt_upsampling` is refused by name."""
    return Catalog.load(able=() if settings.upsampler_url is None else (_PARAMETER,))


def make_upsampler(settings: Settings) -> ChatUpsampler | None:
    """The language model of the settings, None where they name none."""
    if settings.upsampler_url is None or settings.upsampler_model is None:
        return None
    key = "" if settings.upsampler_key is None else settings.upsampler_key.get_secret_value()
    seconds = settings.upsampler_timeout.total_seconds()
    options = UpsamplerOptions(answer_seconds=seconds, patience_seconds=2 * seconds)
    return ChatUpsampler(settings.upsampler_url, key, settings.upsampler_model, options)

"""The only room that names concrete parts: settings in, a running platform out."""

from fluxhouse.assembly.backends import (
    ENGINE_PACKAGES,
    TESTCARD,
    EngineMissing,
    make_backends,
    models_folder,
    require_engine_packages,
)
from fluxhouse.assembly.parts import assemble
from fluxhouse.assembly.platform import Platform
from fluxhouse.assembly.private import make_data_folder, pepper, read_secret, write_private
from fluxhouse.assembly.providers import is_provider
from fluxhouse.assembly.upsampling import load_catalog, make_upsampler

__all__ = [
    "ENGINE_PACKAGES",
    "TESTCARD",
    "EngineMissing",
    "Platform",
    "assemble",
    "is_provider",
    "load_catalog",
    "make_backends",
    "make_data_folder",
    "make_upsampler",
    "models_folder",
    "pepper",
    "read_secret",
    "require_engine_packages",
    "write_private",
]

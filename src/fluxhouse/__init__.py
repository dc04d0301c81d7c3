"""Fluxhouse: your own FLUX image API, engine and platform in one package."""

__version__ = "0.1.0"

__all__ = ["__version__"]

"""Fluxhouse: your own FLUX image API, engine and platform in one package."""

from fluxhouse.client import AsyncClient, Client

__version__ = "0.1.0"

__all__ = ["AsyncClient", "Client", "__version__"]

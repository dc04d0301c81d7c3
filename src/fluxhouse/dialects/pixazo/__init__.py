"""Pixazo's accent: its Flux Dev contract in both generations, behind one submit reply."""

from fluxhouse.dialects.pixazo.endpoints import routes

__all__ = ["routes"]

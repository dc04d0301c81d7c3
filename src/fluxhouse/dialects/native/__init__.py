"""The native API: PixelDojo's contract to the letter, and what it lacks."""

from fluxhouse.dialects.native.routes import routes

__all__ = ["routes"]

"""OpenAI's accent: the Images API, answered when the pictures are there, or streamed."""

from fluxhouse.dialects.openai.answers import failure
from fluxhouse.dialects.openai.endpoints import PREFIXES, routes
from fluxhouse.dialects.openai.models import listed

__all__ = ["PREFIXES", "failure", "listed", "routes"]

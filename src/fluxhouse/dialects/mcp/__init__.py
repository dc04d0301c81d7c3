"""The Model Context Protocol's accent: tools by which a language model makes and edits pictures."""

from fluxhouse.dialects.mcp.answers import DIALECT
from fluxhouse.dialects.mcp.gateway import PREFIXES, failure, routes

__all__ = ["DIALECT", "PREFIXES", "failure", "routes"]

"""Black Forest Labs' accent: a task is submitted to a model's own path and asked for until it is ready."""

from fluxhouse.dialects.bfl.answers import failure, signature
from fluxhouse.dialects.bfl.endpoints import DIALECT, PREFIXES, routes, told

__all__ = ["DIALECT", "PREFIXES", "failure", "routes", "signature", "told"]

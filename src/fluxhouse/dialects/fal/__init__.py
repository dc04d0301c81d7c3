"""fal's accent: a queue with statuses and streams, runs that wait, uploads, and webhooks that a public key verifies."""

from fluxhouse.dialects.fal.fields import names
from fluxhouse.dialects.fal.problems import failure
from fluxhouse.dialects.fal.results import told
from fluxhouse.dialects.fal.routes import PREFIXES, routes
from fluxhouse.dialects.fal.signatures import signature
from fluxhouse.dialects.fal.spelling import DIALECT

__all__ = ["DIALECT", "PREFIXES", "failure", "names", "routes", "signature", "told"]

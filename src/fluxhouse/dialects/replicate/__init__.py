"""Replicate's accent: predictions, files and models for its clients in Python and JavaScript."""

from fluxhouse.dialects.replicate.creating import DIALECT
from fluxhouse.dialects.replicate.hosted import names
from fluxhouse.dialects.replicate.predictions import prediction
from fluxhouse.dialects.replicate.problems import failure
from fluxhouse.dialects.replicate.routes import PREFIXES, listed, routes

__all__ = ["DIALECT", "PREFIXES", "failure", "listed", "names", "prediction", "routes"]

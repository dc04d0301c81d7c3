"""The native API: PixelDojo's contract to the letter, and what it lacks."""

from fluxhouse.dialects.native.bodies import failure, job_body
from fluxhouse.dialects.native.routes import routes
from fluxhouse.dialects.native.submitting import DIALECT

__all__ = ["DIALECT", "failure", "job_body", "routes"]

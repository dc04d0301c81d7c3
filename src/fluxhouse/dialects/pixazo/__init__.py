"""Pixazo's accent: its Flux Dev contract in both generations, behind one submit reply."""

from fluxhouse.dialects.pixazo.endpoints import DIALECT, PREFIXES, failure, job_body, routes

__all__ = ["DIALECT", "PREFIXES", "failure", "job_body", "routes"]

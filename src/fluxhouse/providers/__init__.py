"""Backends that have images made elsewhere, one file per vendor; see new_provider.md."""

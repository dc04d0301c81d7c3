"""Measurements and fault campaigns, run as commands: what a promise costs and whether it holds."""

"""The model that ships with the package, so that everything runs offline: its torch-free constants."""

NAME = "fluxhouse-builtin"
"""What `servedBy` and the image metadata say where this model stands in."""

DEFAULT_STEPS = 8
DEFAULT_GUIDANCE = 3.5
MAX_TEXT_TOKENS = 48
FINISHED_MARKER = "fluxhouse-builtin.json"
"""File whose presence in a folder says that the checkpoint in it is complete."""

VERSION = 1
"""Raised when the weights change, so that a folder made by an older release is made again."""

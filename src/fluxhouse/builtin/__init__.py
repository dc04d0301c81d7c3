"""The model that ships with the package, so that everything runs offline: where it lies, and its plain constants."""

from pathlib import Path

NAME = "fluxhouse-builtin"
"""What `servedBy` and the image metadata say where this model stands in."""

FOLDER = Path(__file__).parent / "weights"
"""Its checkpoint, as `FluxPipeline` loads it."""

DEFAULT_STEPS = 8
DEFAULT_GUIDANCE = 3.5
MAX_TEXT_TOKENS = 48
MARKER = "fluxhouse-builtin.json"
"""File whose presence in a folder says that the checkpoint in it is this model, wherever it was copied to."""

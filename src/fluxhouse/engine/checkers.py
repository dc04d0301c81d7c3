"""A safety checker on disk, read without torch: a classifier of pictures with a label for what is unsafe."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from fluxhouse.engine.checkpoints import NUMBER_BYTES, stored_numbers
from fluxhouse.generation.errors import WeightsUnavailable

CHECKER_FILES = ("config.json", "preprocessor_config.json")
CHECKER_STEM = "model"
CHECKER_DTYPE = "float32"
_UNSAFE = ("nsfw", "unsafe")


@dataclass(frozen=True, slots=True)
class StoredChecker:
    """A folder as transformers writes a classifier of images; `unsafe` is the place of the label that counts."""

    folder: Path
    unsafe: int
    size_bytes: int
    memory_bytes: int


def examine_checker(folder: Path) -> StoredChecker:
    """The checker in a folder. Raises WeightsUnavailable naming what is missing, cut off or not safetensors."""
    for name in CHECKER_FILES:
        if not (folder / name).is_file():
            raise WeightsUnavailable(f"{folder / name} is missing.")
    files, numbers = stored_numbers(folder / CHECKER_STEM)
    size = sum(file.stat().st_size for file in files)
    return StoredChecker(folder, _unsafe_label(folder / "config.json"), size, numbers * NUMBER_BYTES[CHECKER_DTYPE])


def _unsafe_label(described: Path) -> int:
    try:
        labels = {int(place): str(label) for place, label in json.loads(described.read_text())["id2label"].items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise WeightsUnavailable(f"{described} names no labels: it is no classifier of images.") from error
    found = [place for place, label in labels.items() if label.lower() in _UNSAFE]
    if len(found) != 1 or len(labels) < 2:
        needed, there = " or ".join(_UNSAFE), ", ".join(labels.values())
        raise WeightsUnavailable(f"{described} needs one label {needed} beside others; its labels are {there}.")
    return found[0]

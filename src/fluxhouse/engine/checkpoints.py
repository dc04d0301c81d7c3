"""A checkpoint on disk, read without torch: which files make it, what kind it is, how much memory it would take."""

from __future__ import annotations

import filecmp
import json
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from fluxhouse.engine.headers import Damaged, Stored, read_header
from fluxhouse.generation.errors import WeightsUnavailable

WEIGHT_FILES = {
    "transformer": "diffusion_pytorch_model",
    "vae": "diffusion_pytorch_model",
    "text_encoder": "model",
    "text_encoder_2": "model",
}
"""The networks of a FLUX.1 model, and how each one's safetensors files are called."""
OTHER_PARTS = ("tokenizer", "tokenizer_2", "scheduler")
NUMBER_BYTES = {"float32": 4, "bfloat16": 2}
SINGLE_FILE_PREFIX = "model.diffusion_model."
_UNIMPORTANT = frozenset({"transformers_version", "_diffusers_version", "_name_or_path", "dtype", "torch_dtype"})


@dataclass(frozen=True, slots=True)
class Network:
    """One network on disk: its settings in `folder` (for a single file those that it may lack), its numbers in `files`.

    `numbers` is how many they are. `single` marks one file in BFL's or diffusers' names without settings beside it.
    """

    part: str
    folder: Path
    files: tuple[Path, ...]
    numbers: int
    single: bool = False

    def memory_bytes(self, dtype: str) -> int:
        return self.numbers * NUMBER_BYTES[dtype]

    @property
    def size_bytes(self) -> int:
        return sum(file.stat().st_size for file in self.files)

    def equals(self, other: Network) -> bool:
        """Whether both hold the same numbers and settings: the same files on disk, or files of the same bytes."""
        if (self.part, self.numbers, self.single) != (other.part, other.numbers, other.single):
            return False
        if self.folder == other.folder and self.files == other.files:
            return True
        if len(self.files) != len(other.files) or _settings(self.folder) != _settings(other.folder):
            return False
        return all(_same_bytes(ours, theirs) for ours, theirs in zip(self.files, other.files, strict=True))


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A complete model on disk: its networks by part, tokenizers and schedule in `folder`.

    `guided`: it takes guidance. `fills`: it reads a picture and a mask beside the latents. `grid`: sizes are multiples
    of so many pixels.
    """

    folder: Path
    networks: Mapping[str, Network]
    guided: bool
    fills: bool
    grid: int

    @property
    def size_bytes(self) -> int:
        return sum(network.size_bytes for network in self.networks.values())

    def memory_bytes(self, dtype: str) -> int:
        """What its numbers take in memory, one copy of each network."""
        return sum(network.memory_bytes(dtype) for network in self.networks.values())


def examine(folder: Path, transformer_file: Path | None = None) -> Checkpoint:
    """The checkpoint in a diffusers folder, its transformer from a single file where one is given.

    Raises WeightsUnavailable naming what is missing, cut off or not safetensors.
    """
    if transformer_file is None and not (folder / "model_index.json").is_file():
        raise WeightsUnavailable(f"{folder} is not a diffusers folder: it has no model_index.json.")
    for part in OTHER_PARTS:
        if not (folder / part).is_dir() and (part != "scheduler" or transformer_file is None):
            raise WeightsUnavailable(f"{folder / part} is missing.")
    networks = {part: _network(folder, part) for part in WEIGHT_FILES if part != "transformer" or not transformer_file}
    vae = _settings(folder / "vae")
    latent_tokens = 4 * int(vae.get("latent_channels", 4))
    if transformer_file is None:
        settings = _settings(folder / "transformer")
        channels, guided = int(settings.get("in_channels", 64)), bool(settings.get("guidance_embeds", False))
    else:
        header = _header(transformer_file)
        networks["transformer"] = Network(
            "transformer", folder / "transformer", (transformer_file,), _count(header), single=True
        )
        channels, guided = _kind(transformer_file, header)
    return Checkpoint(
        folder,
        {part: networks[part] for part in WEIGHT_FILES},
        guided,
        fills=channels > latent_tokens,
        grid=2 ** len(vae.get("block_out_channels", (64,))),
    )


def share(checkpoints: Iterable[Checkpoint]) -> list[Checkpoint]:
    """The same checkpoints with equal networks made one: most FLUX.1 models have text encoders and VAE in common."""
    distinct: list[Network] = []

    def one_of(network: Network) -> Network:
        known = next((other for other in distinct if network.equals(other)), None)
        if known is None:
            distinct.append(network)
        return known or network

    return [
        replace(checkpoint, networks={part: one_of(network) for part, network in checkpoint.networks.items()})
        for checkpoint in checkpoints
    ]


def _network(folder: Path, part: str) -> Network:
    if not (folder / part / "config.json").is_file():
        raise WeightsUnavailable(f"{folder / part / 'config.json'} is missing.")
    return Network(part, folder / part, *stored_numbers(folder / part / WEIGHT_FILES[part]))


def stored_numbers(stem: Path) -> tuple[tuple[Path, ...], int]:
    """The safetensors files of a network by their common stem, and how many numbers they hold.

    Raises WeightsUnavailable.
    """
    whole, index = stem.with_name(f"{stem.name}.safetensors"), stem.with_name(f"{stem.name}.safetensors.index.json")
    files = (whole,) if whole.is_file() or not index.is_file() else _shards(index)
    return files, sum(_count(_header(file)) for file in files)


def _shards(index: Path) -> tuple[Path, ...]:
    try:
        names = sorted(set(json.loads(index.read_text())["weight_map"].values()))
    except (OSError, ValueError, KeyError, AttributeError) as error:
        raise WeightsUnavailable(f"{index} is not the index of a sharded network.") from error
    return tuple(index.with_name(os.path.basename(str(name))) for name in names)


def _header(file: Path) -> Mapping[str, Stored]:
    if not file.is_file():
        raise WeightsUnavailable(f"{file} is missing: weights are read from safetensors files and from nothing else.")
    try:
        return read_header(file)
    except (Damaged, OSError) as error:
        raise WeightsUnavailable(f"{error}.") from error


def _count(header: Mapping[str, Stored]) -> int:
    return sum(stored.count for stored in header.values())


def _kind(file: Path, header: Mapping[str, Stored]) -> tuple[int, bool]:
    """Input channels of a single-file transformer, and whether it takes guidance."""
    names = {name.removeprefix(SINGLE_FILE_PREFIX): stored for name, stored in header.items()}
    first = names.get("img_in.weight") or names.get("x_embedder.weight")
    if first is None or len(first.shape) != 2:
        raise WeightsUnavailable(f"{file} is not a FLUX.1 transformer: it has no img_in.weight.")
    return first.shape[1], any(name.startswith(("guidance_in.", "time_text_embed.guidance_")) for name in names)


def _settings(folder: Path) -> Mapping[str, Any]:
    """What the part's config.json says of its shape."""
    try:
        found = json.loads((folder / "config.json").read_text())
        return {name: value for name, value in found.items() if name not in _UNIMPORTANT}
    except (OSError, ValueError, AttributeError):
        return {}


def _same_bytes(ours: Path, theirs: Path) -> bool:
    if os.path.samefile(ours, theirs):
        return True
    return ours.stat().st_size == theirs.stat().st_size and filecmp.cmp(ours, theirs, shallow=False)

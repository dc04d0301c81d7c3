"""What an engine is told at its start: which models it holds, on which device, with which limits; torch-free."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True, slots=True)
class ModelWeights:
    """Where a model's weights lie and what holds where a request says nothing.

    `folder` is a diffusers folder (safetensors only); for its transformer a `transformer_file` in BFL's or diffusers'
    names may stand in. `max_text_tokens` is the T5 length: 512 for dev and Kontext,
    256 for schnell; it changes the picture. `fit_references` resizes Kontext references to the size of the answer
    instead of to the resolutions that Kontext was trained on.
    """

    folder: Path
    steps: int
    guidance: float | None
    max_text_tokens: int = 512
    fit_references: bool = False
    transformer_file: Path | None = None

    def __post_init__(self) -> None:
        if self.steps < 1:
            raise ValueError(f"steps is at least 1: {self.steps}")
        if self.max_text_tokens < 1:
            raise ValueError(f"max_text_tokens is at least 1: {self.max_text_tokens}")

    @property
    def places(self) -> tuple[Path, ...]:
        """Every path that the weights lie in."""
        return (self.folder,) if self.transformer_file is None else (self.folder, self.transformer_file)


@dataclass(frozen=True, slots=True)
class EngineOptions:
    """One engine: a process, a device, and the models it serves by id.

    Ids that name the same folder share its weights. Models leave memory, the longest unused first, where they take more
    than `model_bytes`; None leaves that to the device. `threads` None leaves torch's own number; the same bytes for the
    same request are promised for the same number only. LoRAs stay in memory up to `adapter_bytes`. `packing` lets
    trajectories share a forward of at most `pack_tokens` tokens: `proven` where that was seen on this device to leave
    every bit of them as it is, `always` where rounding may depend on what else runs, `never`. `survey_seconds` is about
    what measuring the costs of a model may take; a first block that changes by less than `skip_threshold` lets `high`
    acceleration skip the others. `compiled` has kernels compiled at `regular` and `high`: for a device with a compiler,
    and a process that is not confined. `start_seconds` bounds the load and the wait for a restart;
    after `silence_seconds` without a sign the process is ended and started again, and so it is where a step or a
    picture takes `hang_seconds` and ten times what it should, a step of unknown cost `start_seconds` more. Input files
    lie in the folders `readable`, which are made where they are missing: the process can open nothing elsewhere but
    weights and libraries. `checker` is the folder of a safety checker, which looks at every picture whose request does
    not rule that out.
    """

    models: Mapping[str, ModelWeights]
    name: str = "fluxhouse-engine"
    device: str = "cpu"
    dtype: str = "float32"
    threads: int | None = None
    slots: int = 8
    model_bytes: int | None = None
    adapter_bytes: int = 2**30
    packing: str = "proven"
    pack_tokens: int = 32768
    survey_seconds: float = 0.5
    skip_threshold: float = 0.08
    compiled: bool = False
    max_pixels: int = 4096 * 4096
    max_frame_bytes: int = 128 * 1024 * 1024
    start_seconds: float = 900.0
    silence_seconds: float = 120.0
    hang_seconds: float = 300.0
    readable: tuple[Path, ...] = ()
    checker: Path | None = None

    def __post_init__(self) -> None:
        if not self.models:
            raise ValueError("models names at least one model")
        if self.dtype not in ("float32", "bfloat16"):
            raise ValueError(f"dtype is float32 or bfloat16: {self.dtype}")
        if self.device.partition(":")[0] not in ("cpu", "cuda"):
            raise ValueError(f"device is cpu, cuda or cuda:N: {self.device}")
        if self.packing not in ("proven", "always", "never"):
            raise ValueError(f"packing is proven, always or never: {self.packing}")
        if self.slots < 1:
            raise ValueError(f"slots is at least 1: {self.slots}")

    @property
    def places(self) -> tuple[Path, ...]:
        """Every path that weights lie in."""
        of_models = tuple(path for weights in self.models.values() for path in weights.places)
        return of_models if self.checker is None else (*of_models, self.checker)

    def to_json(self) -> dict[str, Any]:
        """A JSON-ready mapping that `from_json` restores."""
        plain = {key: getattr(self, key) for key in self.__dataclass_fields__}
        return plain | {
            "checker": None if self.checker is None else str(self.checker.absolute()),
            "models": {model: _weights_to_json(weights) for model, weights in self.models.items()},
            "readable": [str(folder.absolute()) for folder in self.readable],
        }

    @classmethod
    def from_json(cls, fields: Mapping[str, Any]) -> EngineOptions:
        models = {model: ModelWeights(**{**weights, **_paths(weights)}) for model, weights in fields["models"].items()}
        checker = None if fields["checker"] is None else Path(fields["checker"])
        readable = tuple(map(Path, fields["readable"]))
        return cls(**{**fields, "models": models, "readable": readable, "checker": checker})


def _weights_to_json(weights: ModelWeights) -> dict[str, Any]:
    plain = {key: getattr(weights, key) for key in weights.__dataclass_fields__}
    return plain | {name: str(path.absolute()) for name, path in _paths(plain).items()}


def _paths(weights: Mapping[str, Any]) -> dict[str, Path]:
    names = ("folder", "transformer_file")
    return {name: Path(weights[name]) for name in names if weights[name] is not None}

"""What a LoRA file holds: which tensors belong to which layers of the transformer, by names and shapes alone."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from math import isfinite, prod, sqrt
from typing import Any, Literal

from fluxhouse.generation.errors import LoraRefused
from fluxhouse.generation.lora_names import Layer, format_of, is_text_encoders, layer_of

Part = Literal["down", "up", "alpha"]

FLOATS = frozenset({"F64", "F32", "F16", "BF16"})
_SCALARS = FLOATS | {"I64", "I32", "I16"}
LONGEST_TRIGGER = 300
_TRIGGER = "modelspec.trigger_phrase"
_METADATA = "lora_adapter_metadata"  # where diffusers and peft note what no tensor says
_MOST_ALPHAS = 2000  # FLUX.1 has some 500 linear layers
_WEIGHT = re.compile(r"(.+?)\.(?:lora[_.])?(down|up|A|B)(?:\.\w+)?\.weight")  # peft may name its adapter
_ROLES: Mapping[str, Part] = {"down": "down", "A": "down", "up": "up", "B": "up"}

# What changes a model in another way than by a low-rank pair, by a part of its tensors' names.
_OTHER_KINDS = {
    "dora_scale": "DoRA",
    "lora_magnitude_vector": "DoRA",
    "lokr_": "LoKr",
    "hada_": "LoHa",
    "oft_": "OFT",
    ".diff": "full weight differences",
    "query_norm.scale": "a control model's replaced norms",
    "key_norm.scale": "a control model's replaced norms",
    ".bias": "differences of biases",
    "lora_mid": "a convolution's LoRA",
}


@dataclass(frozen=True, slots=True)
class Tensor:
    """A tensor as a safetensors header describes it; `dtype` is safetensors' own name, such as `BF16`."""

    dtype: str
    shape: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Pair:
    """A low-rank pair by the names of its tensors: `down` is [rank, in], `up` is [out, rank].

    The rows of `up` are those of the layer's modules one after the other. The pair counts `strength` times, or where
    `alpha` names a tensor, that number divided by the rank.
    """

    layer: Layer
    down: str
    up: str
    alpha: str | None
    strength: float


@dataclass(frozen=True, slots=True)
class Layout:
    """The pairs of a file; `ignored` are tensors for the text encoders, to which LoRAs are not applied here."""

    format: str
    pairs: tuple[Pair, ...]
    ignored: tuple[str, ...]


def layout_of(tensors: Mapping[str, Tensor], metadata: Mapping[str, str]) -> Layout:
    """How to read a file with these tensors and this metadata; raises `LoraRefused`, which names what is wrong."""
    ignored = tuple(name for name in tensors if is_text_encoders(name))
    parts = _parts([name for name in tensors if not is_text_encoders(name)])
    if not parts:
        only = "only parts for the text encoders, which are not supported" if ignored else "no LoRA in it"
        raise LoraRefused(f"The file has {only}.")
    adapter = _Adapter.read(metadata)
    pairs = tuple(_pair(module, names, tensors, adapter) for module, names in parts.items())
    _refuse_twice(pairs)
    return Layout(format_of(parts), pairs, ignored)


def trigger_of(metadata: Mapping[str, str]) -> str | None:
    """The words that a prompt needs for the LoRA to be seen, where the file's author wrote them down.

    As https://github.com/Stability-AI/ModelSpec names them; at most `LONGEST_TRIGGER` characters of them.
    """
    words = " ".join(metadata.get(_TRIGGER, "").split())[:LONGEST_TRIGGER]
    return words if words and words.isprintable() else None


def _parts(names: list[str]) -> dict[str, dict[Part, str]]:
    """By module, as the file spells it, the tensor of each part."""
    parts: dict[str, dict[Part, str]] = {}
    for name in names:
        module, part = _part(name)
        found = parts.setdefault(module, {})
        if part in found:
            raise LoraRefused(f"The LoRA gives the same part twice: `{_shown(found[part])}` and `{_shown(name)}`.")
        found[part] = name
    return parts


def _part(name: str) -> tuple[str, Part]:
    for mark, kind in _OTHER_KINDS.items():
        if mark in name:
            raise LoraRefused(f"The file holds {kind} (`{_shown(name)}`); only plain low-rank pairs are supported.")
    if name.endswith(".alpha"):
        return name.removesuffix(".alpha"), "alpha"
    match = _WEIGHT.fullmatch(name)
    if match is None:
        raise LoraRefused(f"The file has the tensor `{_shown(name)}`, which is part of no LoRA format known here.")
    return match[1], _ROLES[match[2]]


def _pair(module: str, names: Mapping[Part, str], tensors: Mapping[str, Tensor], adapter: _Adapter) -> Pair:
    layer = layer_of(module)
    if layer is None:
        raise LoraRefused(f"The LoRA is for `{_shown(module)}`, which no FLUX.1 transformer has.")
    for part in ("down", "up"):
        if part not in names:
            raise LoraRefused(f"The LoRA of `{_shown(module)}` lacks its {part} weights.")
    down, up, alpha = names["down"], names["up"], names.get("alpha")
    rank = _checked_rank(module, tensors[down], tensors[up])
    if alpha is not None and (prod(tensors[alpha].shape) != 1 or tensors[alpha].dtype not in _SCALARS):
        raise LoraRefused(f"`{_shown(alpha)}` must be one number.")
    return Pair(layer, down, up, alpha, adapter.strength(layer.modules[0], rank))


def _checked_rank(module: str, down: Tensor, up: Tensor) -> int:
    for tensor in (down, up):
        if tensor.dtype not in FLOATS:
            raise LoraRefused(
                f"The LoRA of `{_shown(module)}` is stored as {tensor.dtype}; {', '.join(sorted(FLOATS))} are read."
            )
        if len(tensor.shape) != 2 or 0 in tensor.shape:
            raise LoraRefused(
                f"The LoRA of `{_shown(module)}` has the shape {list(tensor.shape)}, not that of a matrix."
            )
    if down.shape[0] != up.shape[1]:
        raise LoraRefused(
            f"The LoRA of `{_shown(module)}` has rank {down.shape[0]} going down and {up.shape[1]} going up."
        )
    return down.shape[0]


def _refuse_twice(pairs: tuple[Pair, ...]) -> None:
    seen: dict[str, str] = {}
    for pair in pairs:
        for module in pair.layer.modules:
            if module in seen:
                raise LoraRefused(
                    f"The LoRA changes `{module}` twice: by `{_shown(seen[module])}` and `{_shown(pair.down)}`."
                )
            seen[module] = pair.down


@dataclass(frozen=True, slots=True)
class _Adapter:
    """What peft's configuration says of the strength, as diffusers writes it into a file; empty where it says nothing.

    Where nothing is said alpha is the rank, for each layer its own: that is the formats' convention. `alphas` are those
    of peft's pattern, each behind its place in it.
    """

    alpha: float | None
    alphas: Mapping[str, tuple[int, float]]
    by_root: bool

    @classmethod
    def read(cls, metadata: Mapping[str, str]) -> _Adapter:
        try:
            fields = json.loads(metadata.get(_METADATA, "{}"))
            own = dict(_transformers(fields))
            if own.get("use_dora"):
                raise LoraRefused("The file holds DoRA, by its metadata; only plain low-rank pairs are supported.")
            alpha = own.get("lora_alpha")
            pattern = own.get("alpha_pattern") or {}
            if len(pattern) > _MOST_ALPHAS:
                raise ValueError("more alphas than layers")
            alphas = {name: (place, float(value)) for place, (name, value) in enumerate(pattern.items())}
            if not all(map(isfinite, (*(value for _, value in alphas.values()), alpha or 0.0))):
                raise ValueError("an alpha that is not finite")
            return cls(None if alpha is None else float(alpha), alphas, bool(own.get("use_rslora")))
        except (ValueError, TypeError, AttributeError, OverflowError, RecursionError):
            raise LoraRefused(f"The file's metadata `{_METADATA}` is not what peft writes.") from None

    def strength(self, module: str, rank: int) -> float:
        """How often a pair of that rank counts; a name in peft's pattern is that of a module or the end of one.

        Where several are, peft takes the one that its pattern names first.
        """
        parts = module.split(".")
        ends = (".".join(parts[begin:]) for begin in range(len(parts)))
        _, alpha = min((self.alphas[end] for end in ends if end in self.alphas), default=(0, self.alpha))
        if alpha is None:
            return 1.0
        return alpha / (sqrt(rank) if self.by_root else rank)


def _transformers(fields: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    for name, value in fields.items():
        if not name.startswith("text_encoder"):
            yield name.removeprefix("transformer."), value


def _shown(name: str) -> str:
    """A name out of a stranger's file, as it may stand in a message."""
    return name[:120].encode("ascii", "replace").decode().replace("`", "'")

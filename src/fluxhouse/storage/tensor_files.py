"""Safetensors files of strangers: the header read and checked before anything else trusts the file."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any

from fluxhouse.generation.errors import LoraRefused
from fluxhouse.generation.lora_layout import Tensor

MAX_HEADER_BYTES = 8 << 20
MAX_TENSORS = 20_000
MAX_NAME = 300  # characters
MAX_DIMENSIONS = 8  # of one tensor

_LENGTH_BYTES = 8
_MAX_COUNT = 1 << 48  # no file is that long: products of what is smaller cost nothing
_MAX_METADATA = 1 << 20  # characters in all
_BYTES = {
    **dict.fromkeys(("F64", "I64", "U64"), 8),
    **dict.fromkeys(("F32", "I32", "U32"), 4),
    **dict.fromkeys(("F16", "BF16", "I16", "U16"), 2),
    **dict.fromkeys(("F8_E4M3", "F8_E5M2", "I8", "U8", "BOOL"), 1),
}


@dataclass(frozen=True, slots=True)
class Header:
    """What a safetensors file says it holds."""

    tensors: Mapping[str, Tensor]
    metadata: Mapping[str, str]


def read_header(path: Path) -> Header:
    """The header of the file at `path`; blocks for as long as the disk does.

    Every tensor lies within the file, none overlaps another, and together they fill it. Raises `LoraRefused`.
    """
    size = path.stat().st_size
    with path.open("rb") as file:
        length = int.from_bytes(file.read(_LENGTH_BYTES), "little")
        if size <= _LENGTH_BYTES or not 2 <= length <= min(MAX_HEADER_BYTES, size - _LENGTH_BYTES):
            raise _refused("does not begin with the length of a header")
        text = file.read(length)
    fields = _parsed(text)
    metadata = _metadata(fields.pop("__metadata__", {}))
    if len(fields) > MAX_TENSORS:
        raise _refused(f"has more than {MAX_TENSORS:,} tensors")
    tensors, spans = {}, []
    for name, entry in fields.items():
        tensors[name], span = _tensor(name, entry)
        spans.append(span)
    _check_filled(spans, size - _LENGTH_BYTES - length)
    return Header(tensors, metadata)


def _parsed(text: bytes) -> dict[str, Any]:
    try:
        fields = json.loads(text, object_pairs_hook=_unique, parse_constant=_no_constant)
    except (ValueError, RecursionError):
        raise _refused("has a header that is not valid JSON") from None
    if not isinstance(fields, dict):
        raise _refused("has a header that is no JSON object")
    return fields


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    fields = dict(pairs)
    if len(fields) < len(pairs):
        raise ValueError("a name stands twice")
    return fields


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")


def _metadata(fields: Any) -> Mapping[str, str]:
    if not isinstance(fields, dict) or not all(isinstance(text, str) for text in fields.values()):
        raise _refused("has metadata that are not texts")
    if sum(len(text) for text in fields.values()) > _MAX_METADATA:
        raise _refused("has too much metadata")
    return fields


def _tensor(name: str, entry: Any) -> tuple[Tensor, tuple[int, int]]:
    if not 0 < len(name) <= MAX_NAME or not name.isprintable():
        raise _refused("has a tensor whose name is empty, too long or not printable")
    match entry:
        case {"dtype": str(dtype), "shape": list(shape), "data_offsets": [begin, end]} if len(entry) == 3 and all(
            _is_count(number) for number in (*shape, begin, end)
        ):
            if len(shape) > MAX_DIMENSIONS:
                raise _refused(f"has a tensor {name!a} of more than {MAX_DIMENSIONS} dimensions")
            if max(*shape, begin, end) >= _MAX_COUNT:
                raise _refused(f"has a tensor {name!a} whose shape or place has a number of 2**48 or more")
            if dtype not in _BYTES:
                raise _refused(f"has a tensor of the type {dtype[:20]!a}, which is not known")
            if end - begin != prod(shape) * _BYTES[dtype]:
                raise _refused("has a tensor whose bytes are not those of its shape")
            return Tensor(dtype, tuple(shape)), (begin, end)
    raise _refused("has a tensor that is not described by type, shape and place")


def _is_count(number: object) -> bool:
    return isinstance(number, int) and not isinstance(number, bool) and number >= 0


def _check_filled(spans: list[tuple[int, int]], size: int) -> None:
    reached = 0
    for begin, end in sorted(spans):
        if begin != reached:
            raise _refused("has tensors that overlap or leave a gap")
        reached = end
    if reached != size:
        raise _refused("does not have the length that its header says")


def _refused(reason: str) -> LoraRefused:
    return LoraRefused(f"The file {reason}: it is no whole safetensors file.")

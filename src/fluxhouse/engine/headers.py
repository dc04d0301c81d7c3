"""What a safetensors file says of its tensors, read from its header alone; torch-free.

Format: eight bytes of length, little-endian, then a JSON object of names, and then the numbers themselves.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

_MOST_HEADER_BYTES = 100_000_000  # What the safetensors library itself reads at most.
_BITS = {
    **dict.fromkeys(("BOOL", "U8", "I8", "F8_E4M3", "F8_E5M2", "F8_E8M0"), 8),
    **dict.fromkeys(("U16", "I16", "F16", "BF16"), 16),
    **dict.fromkeys(("U32", "I32", "F32"), 32),
    **dict.fromkeys(("U64", "I64", "F64"), 64),
}


class Damaged(ValueError):
    """The file is not a whole safetensors file; the message says where it breaks."""


@dataclass(frozen=True, slots=True)
class Stored:
    """One tensor in a file."""

    dtype: str
    shape: tuple[int, ...]

    @property
    def count(self) -> int:
        return math.prod(self.shape)


def read_header(path: Path) -> Mapping[str, Stored]:
    """The file's tensors by name. Raises Damaged, also where the file is shorter or longer than its header says."""
    size = path.stat().st_size
    with path.open("rb") as file:
        length = int.from_bytes(file.read(8), "little")
        if not 2 <= length <= min(size - 8, _MOST_HEADER_BYTES):
            raise Damaged(f"{path} is no safetensors file, or only the beginning of one")
        try:
            entries = json.loads(file.read(length))
            tensors = {name: _stored(entry) for name, entry in entries.items() if name != "__metadata__"}
            ends = [int(entry["data_offsets"][1]) for name, entry in entries.items() if name != "__metadata__"]
        except (ValueError, TypeError, KeyError, AttributeError, IndexError) as error:
            raise Damaged(f"{path} has no readable safetensors header") from error
    if 8 + length + max(ends, default=0) != size:
        raise Damaged(f"{path} has {size} bytes, and {8 + length + max(ends, default=0)} by its header")
    return tensors


def _stored(entry: Mapping[str, object]) -> Stored:
    match entry:
        case {"dtype": str(dtype), "shape": list(shape), "data_offsets": [int(begin), int(end)]}:
            stored = Stored(dtype, tuple(map(int, shape)))
            if dtype in _BITS and (end - begin) * 8 != stored.count * _BITS[dtype]:
                raise ValueError("a tensor has another size than its shape")
            return stored
    raise ValueError("not a tensor")

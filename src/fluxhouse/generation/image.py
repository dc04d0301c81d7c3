"""Pictures on their way: accepted as an input, made by a backend, delivered to storage."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class InputImage:
    """An accepted input picture, checked and kept: `key` names its bytes in storage."""

    key: str
    width: int
    height: int


@dataclass(frozen=True, slots=True)
class MadeImage:
    """One finished picture as a backend yields it: an encoded file and what is known of it.

    One that is `nsfw` looks unsafe to who moderates it. One that is `withheld` for that is black: its file shows
    nothing of what was made.
    """

    index: int
    content: bytes
    content_type: str
    width: int
    height: int
    seed: int
    nsfw: bool = False
    withheld: bool = False


@dataclass(frozen=True, slots=True)
class DeliveredImage:
    """One finished picture whose bytes are durable under `key`; `nsfw` and `withheld` as of a `MadeImage`."""

    index: int
    key: str
    content_type: str
    width: int
    height: int
    seed: int
    size_bytes: int
    nsfw: bool = False
    withheld: bool = False

    def to_json(self) -> dict[str, Any]:
        """A JSON-ready mapping; `DeliveredImage(**mapping)` restores it. An earlier version knows no `withheld`."""
        fields = asdict(self)
        if not self.withheld:
            del fields["withheld"]
        return fields

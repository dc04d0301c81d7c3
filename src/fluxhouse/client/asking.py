"""What a call sends: parameters as a JSON body, pictures as bytes, and everything that stays the same when repeated."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from os import PathLike
from pathlib import Path
from typing import Any, BinaryIO
from urllib.parse import quote

from fluxhouse.client.facts import File, ImageFacts

Picture = str | PathLike[str] | bytes | BinaryIO
_JSON = {"Content-Type": "application/json"}


@dataclass(frozen=True, slots=True)
class Call:
    """One request, the same each time it is sent; `path` is below `/api/v1/`, or an address of its own."""

    method: str
    path: str
    params: Mapping[str, str | int] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    content: bytes | None = None


def get(path: str, **params: str | int | None) -> Call:
    """A GET; parameters that are None are left out."""
    return Call("GET", path, {name: value for name, value in params.items() if value is not None})


def post(path: str, parameters: Mapping[str, Any], **headers: str) -> Call:
    """A POST of a model's parameters; what is None is left out, files and images are named.

    Raises TypeError for what cannot be said in JSON.
    """
    body = {name: _worded(name, value) for name, value in parameters.items() if value is not None}
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Call("POST", path, headers=_JSON | named, content=json.dumps(body, ensure_ascii=False).encode())


def segment(name: str) -> str:
    """A name as one part of a path, whatever it holds."""
    return quote(name, safe="")


def read_picture(source: Picture) -> bytes:
    """The bytes of a picture given as a path, as bytes or as an open binary file."""
    if isinstance(source, bytes):
        return source
    if isinstance(source, str | PathLike):
        return Path(source).read_bytes()
    return source.read()


def write_picture(path: str | PathLike[str], content: bytes) -> Path:
    """Write a picture to a file and return its path."""
    target = Path(path)
    target.write_bytes(content)
    return target


def _worded(name: str, value: object) -> object:
    if isinstance(value, File):
        return value.id
    if isinstance(value, ImageFacts):
        return value.url
    if isinstance(value, list | tuple):
        return [_worded(name, one) for one in value]
    if isinstance(value, bytes | PathLike) or hasattr(value, "read"):
        raise TypeError(f"`{name}`: upload the picture first, and give the file that `upload` returns")
    return value

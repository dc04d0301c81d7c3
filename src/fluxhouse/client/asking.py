"""What a call sends: parameters as a JSON body, files as bytes, and everything that stays the same when repeated."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from os import PathLike
from pathlib import Path
from typing import Any, BinaryIO
from urllib.parse import quote

from fluxhouse.client.facts import File, ImageFacts, Lora

Content = PathLike[str] | bytes | BinaryIO
Picture = str | Content
_JSON = {"Content-Type": "application/json"}
_BYTES = {"Content-Type": "application/octet-stream"}
_FETCH_SECONDS = 660.0  # the server fetches a LoRA for ten minutes, and then reads it


@dataclass(frozen=True, slots=True)
class Call:
    """One request, the same each time it is sent; `path` is below `/api/v1/`, or an address of its own.

    `patience` is how many seconds the answer may take where that is longer than usual.
    """

    method: str
    path: str
    params: Mapping[str, str | int] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    content: bytes | None = None
    patience: float = 0.0


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


def add_lora(source: str | Content, name: str | None) -> Call:
    """Registering a LoRA: a file's content with its name, or the place to fetch it from.

    Raises OSError for a file that cannot be read, and ValueError for content that nobody names.
    """
    if isinstance(source, str) and ("://" in source or not Path(source).is_file()):
        body = {"url": source} | ({} if name is None else {"name": name})
        return Call("POST", "loras", headers=_JSON, content=json.dumps(body).encode(), patience=_FETCH_SECONDS)
    named = name or _stem(source)
    if not named:
        raise ValueError("`name` is needed: what is no file on disk has none of its own")
    return Call("POST", "loras", {"name": named}, _BYTES, read_content(source), _FETCH_SECONDS)


def read_content(source: str | Content) -> bytes:
    """The bytes of a file given as a path, as bytes or as an open binary file."""
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


def _stem(source: str | Content) -> str:
    path = source if isinstance(source, str | PathLike) else getattr(source, "name", "")
    return Path(path).stem if isinstance(path, str | PathLike) else ""


def _worded(name: str, value: object) -> object:
    if isinstance(value, File | Lora):
        return value.id
    if isinstance(value, ImageFacts):
        return value.url
    if isinstance(value, dict):
        return {key: _worded(name, one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_worded(name, one) for one in value]
    if isinstance(value, bytes | PathLike) or hasattr(value, "read"):
        raise TypeError(f"`{name}`: upload the picture first, and give the file that `upload` returns")
    return value

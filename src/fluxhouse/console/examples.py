"""Pictures that this installation made of requests for show: kept in the store beside what reproduces them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from fluxhouse.generation.errors import UnknownFile
from fluxhouse.generation.request import OutputFormat
from fluxhouse.storage.storage import Storage


@dataclass(frozen=True, slots=True)
class Example:
    """One picture: the request that made it, its file and pixels, and what it took.

    `inputs` are the pictures that the request was given, as files beside it by the parameter's name. `credits` is what
    was charged, `seconds` what the backend took, `made_on` a date.
    """

    request: Mapping[str, Any]
    file: str
    width: int
    height: int
    credits: str
    seconds: float
    served_by: str
    made_on: str
    inputs: Mapping[str, str] = field(default_factory=dict)

    @property
    def prompt(self) -> str:
        return str(self.request["prompt"])


async def examples_of(storage: Storage, model_id: str) -> Sequence[Example]:
    """The examples of a model, in the order they were made; none where nobody asked for any."""
    try:
        content = await storage.get(_index_key(model_id))
    except UnknownFile:
        return ()
    return [Example(**entry) for entry in json.loads(content)]


async def keep_examples(storage: Storage, model_id: str, made: Sequence[Example], files: Mapping[str, bytes]) -> None:
    """Keep a model's examples and their files in place of those before."""
    for name, content in files.items():
        await storage.put(_file_key(model_id, name), content)
    content = json.dumps([asdict(example) for example in made], ensure_ascii=False).encode()
    await storage.put(_index_key(model_id), content)


async def example_file(storage: Storage, model_id: str, name: str) -> tuple[bytes, str]:
    """The bytes of an example's file and their type; raises `UnknownFile`."""
    format = OutputFormat.of_file(name)
    if format is None or "/" in name:
        raise UnknownFile
    return await storage.get(_file_key(model_id, name)), format.content_type


def _index_key(model_id: str) -> str:
    return f"examples/{model_id}.json"


def _file_key(model_id: str, name: str) -> str:
    return f"examples/{model_id}/{name}"

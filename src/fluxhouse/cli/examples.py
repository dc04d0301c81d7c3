"""`fluxhouse examples`: pictures for the models' pages, made by this installation through its own API."""

from __future__ import annotations

import asyncio
import io
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Annotated, Any

import typer
from PIL import Image, ImageDraw

from fluxhouse.cli.opening import DataFolder, Refusal, opened
from fluxhouse.client import Client, FluxhouseError, Job, Model
from fluxhouse.console.examples import Example, keep_examples
from fluxhouse.storage.opening import open_storage

commands = typer.Typer(help="Examples: pictures for the models' pages.", no_args_is_help=True)

_PICTURES: Sequence[Mapping[str, Any]] = (
    {"prompt": "A mountain lake at sunset, with a sailing boat", "aspect_ratio": "3:2", "seed": 7},
    {"prompt": "A lighthouse on a cliff under a full moon", "aspect_ratio": "2:3", "seed": 11},
    {"prompt": "A red circle above a blue square on a white ground", "aspect_ratio": "1:1", "seed": 3},
)
_EDITS: Sequence[Mapping[str, Any]] = (
    {"prompt": "Make it night", "seed": 7},
    {"prompt": "Make it winter", "seed": 7},
)
_FILLS: Sequence[Mapping[str, Any]] = ({"prompt": "A mountain lake at sunset, with a red balloon", "seed": 7},)


@commands.callback()
def examples() -> None:
    """Examples: pictures for the models' pages."""  # a callback keeps `make` a word of its own


@commands.command("make")
def make(
    model: Annotated[list[str] | None, typer.Option(help="Only this model; may be given again.")] = None,
    key: Annotated[str | None, typer.Option(help="An API key; FLUXHOUSE_API_KEY.")] = None,
    url: Annotated[str | None, typer.Option(help="The server; FLUXHOUSE_API_URL, or one on this machine.")] = None,
    folder: DataFolder = None,
) -> None:
    """Have every served model make its examples, at its price, and show them on its page."""
    with opened(folder) as (settings, _), Client(key, url) as client:
        storage = open_storage(settings.storage_url, settings.files_folder)
        try:
            known = client.models()
            if unknown := sorted(set(model or ()) - {entry.id for entry in known}):
                raise Refusal(f"there is no model {unknown[0]!r}; there are {', '.join(entry.id for entry in known)}")
            for entry in known:
                if entry.available and (not model or entry.id in model):
                    made, files = _made(client, entry)
                    asyncio.run(keep_examples(storage, entry.id, made, files))
                    typer.echo(f"{entry.id}: {len(made)} examples")
        except FluxhouseError as error:
            raise Refusal(str(error)) from error


def _made(client: Client, model: Model) -> tuple[list[Example], dict[str, bytes]]:
    made: list[Example] = []
    files: dict[str, bytes] = {}
    for request, inputs in _requests(client, model):
        number = len(made)
        names = {name: f"{number}-{name}.png" for name in inputs}
        uploaded = {name: client.upload(content) for name, content in inputs.items()}
        parameters: dict[str, Any] = {**request, **uploaded}
        job = client.run(model.id, **parameters)
        files |= {f"{number}.png": job.images[0].read()} | {names[name]: inputs[name] for name in names}
        made.append(_example(request, job, f"{number}.png", names))
    return made, files


def _example(request: Mapping[str, Any], job: Job, file: str, inputs: Mapping[str, str]) -> Example:
    image = job.images[0]
    return Example(
        request=request,
        file=file,
        width=image.width or 0,
        height=image.height or 0,
        credits=f"{(job.credit_cost or Decimal()).normalize():f}",
        seconds=job.inference_seconds or 0.0,
        served_by=job.served_by or "",
        made_on=f"{job.completed_at or datetime.now(UTC):%Y-%m-%d}",
        inputs=inputs,
    )


def _requests(client: Client, model: Model) -> Iterator[tuple[Mapping[str, Any], Mapping[str, bytes]]]:
    """What to ask of the model, each with the pictures to give it."""
    known = client.model(model.id).request_schema["properties"]
    if "mask" in known:
        start = client.run("flux-dev", **_PICTURES[0]).images[0].read()
        yield from ((request, {"image": start, "mask": _mask(start)}) for request in _FILLS)
    elif "Editing" in model.tags and "Img2Img" in model.tags and "width" not in known:
        start = client.run(model.id, **_PICTURES[0]).images[0].read()
        yield from ((request, {"input_image": start}) for request in _EDITS)
    else:
        yield from ((request, {}) for request in _PICTURES)


def _mask(picture: bytes) -> bytes:
    """White where the upper middle of the picture shall be repainted."""
    with Image.open(io.BytesIO(picture)) as opened_picture:
        width, height = opened_picture.size
    mask = Image.new("L", (width, height), 0)
    ImageDraw.Draw(mask).ellipse((width * 0.35, height * 0.05, width * 0.65, height * 0.5), fill=255)
    content = io.BytesIO()
    mask.save(content, "PNG")
    return content.getvalue()

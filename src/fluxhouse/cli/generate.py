"""`fluxhouse generate`: one picture from a prompt, without a server, a key or a database."""

from __future__ import annotations

import asyncio
import os
import secrets
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import aclosing
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any, cast

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from fluxhouse.assembly import make_backends, make_data_folder, require_engine_packages
from fluxhouse.catalog.catalog import Catalog
from fluxhouse.catalog.parsing import REFERENCES, Parsed
from fluxhouse.cli.logs import log_by
from fluxhouse.cli.opening import DataFolder, Refusal
from fluxhouse.generation.backend import StepDone
from fluxhouse.generation.errors import ModelUnavailable
from fluxhouse.generation.image import InputImage, MadeImage
from fluxhouse.generation.request import GenerationRequest, OutputFormat
from fluxhouse.settings import Settings, read_settings
from fluxhouse.storage import images
from fluxhouse.worker.routing import Router

_FORMATS = {
    ".png": OutputFormat.PNG,
    ".jpg": OutputFormat.JPEG,
    ".jpeg": OutputFormat.JPEG,
    ".webp": OutputFormat.WEBP,
}


def generate(
    prompt: Annotated[str, typer.Argument(help="What to paint.")],
    output: Annotated[Path, typer.Option("-o", "--output", help="File to write: .png, .jpg or .webp.")],
    model: Annotated[str, typer.Option(help="A model of the catalog.")] = "flux-dev",
    seed: Annotated[int | None, typer.Option(help="Same seed, same picture.")] = None,
    steps: Annotated[int | None, typer.Option(help="Denoising steps.")] = None,
    width: Annotated[int | None, typer.Option(help="Pixels; goes with --height.")] = None,
    height: Annotated[int | None, typer.Option(help="Pixels; goes with --width.")] = None,
    aspect_ratio: Annotated[str | None, typer.Option(help="Such as 16:9.")] = None,
    image: Annotated[
        list[Path] | None,
        typer.Option(help="A picture to start from or to edit; given again, more for flux-kontext-dev to read."),
    ] = None,
    mask: Annotated[Path | None, typer.Option(help="Where to repaint that picture: white, with flux-fill-dev.")] = None,
    strength: Annotated[float | None, typer.Option(help="0 to 1: how far to leave that picture.")] = None,
    guidance: Annotated[float | None, typer.Option(help="How strongly the prompt pulls.")] = None,
    negative_prompt: Annotated[
        str | None, typer.Option(help="What to lead away from; goes with --true-cfg-scale.")
    ] = None,
    true_cfg_scale: Annotated[float | None, typer.Option(help="1 to 10: how strongly, at twice the time.")] = None,
    acceleration: Annotated[str | None, typer.Option(help="none, regular or high: exactness for speed.")] = None,
    folder: DataFolder = None,
) -> None:
    """Make one picture here and now."""
    settings = read_settings(data=folder)
    log_by(settings.model_copy(update={"log_level": "error"}))
    written_as = _format_of(output)
    body: dict[str, Any] = {
        "prompt": prompt,
        "seed": seed,
        "num_inference_steps": steps,
        "width": width,
        "height": height,
        "aspect_ratio": aspect_ratio,
        "prompt_strength": strength,
        "guidance_scale": guidance,
        "negative_prompt": negative_prompt,
        "true_cfg_scale": true_cfg_scale,
        "acceleration": acceleration,
    }
    pictures = _pictures(image or [], mask)
    # As if uploaded: the catalog only wants to know of them.
    body |= {name: ["file_0"] * len(paths) if name == REFERENCES else "file_0" for name, paths in pictures.items()}
    parsed = Catalog.load().parse(model, {name: value for name, value in body.items() if value is not None})
    made = _made(settings, parsed, pictures, written_as)
    try:
        output.write_bytes(made.content)
    except OSError as error:
        raise Refusal(f"-o {output}: {error.strerror}") from error
    typer.echo(f"{output}: {made.width} x {made.height}, seed {made.seed}")


def _format_of(output: Path) -> OutputFormat:
    """By the file's ending; where it could not be written, that is said before the picture is made."""
    written_as = _FORMATS.get(output.suffix.lower())
    if written_as is None:
        raise Refusal(f"-o ends in one of {', '.join(_FORMATS)}, not {output.suffix or output.name!r}")
    if not output.parent.is_dir():
        raise Refusal(f"-o {output}: there is no folder {output.parent}")
    if output.is_dir():
        raise Refusal(f"-o {output}: is a folder")
    if not os.access(output if output.exists() else output.parent, os.W_OK):
        raise Refusal(f"-o {output}: may not be written")
    return written_as


def _made(
    settings: Settings, parsed: Parsed, pictures: Mapping[str, Sequence[Path]], written_as: OutputFormat
) -> MadeImage:
    # Where the engine may read; with a dot, it is no file of the store.
    make_data_folder(settings)
    settings.files_folder.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".generate-", dir=settings.files_folder) as scratch:
        asked = dict.fromkeys(name for name, _ in parsed.input_values)
        inputs, paths = _inputs([(name, path) for name in asked for path in pictures[name]], Path(scratch))
        request = replace(parsed.request(inputs, secrets.randbelow(2**32)), format=written_as)
        made = asyncio.run(_make(settings, request, paths))
    if made.withheld:
        raise Refusal("the safety checker withheld the picture: nothing was written")
    return made


def _pictures(shown: Sequence[Path], mask: Path | None) -> Mapping[str, Sequence[Path]]:
    """The pictures by the parameter that names them."""
    if mask is None:
        return {} if not shown else {"input_image" if len(shown) == 1 else REFERENCES: shown}
    if len(shown) > 1:
        raise Refusal("--mask goes with one --image")
    return {"image": shown, "mask": [mask]} if shown else {"mask": [mask]}


def _inputs(pictures: Sequence[tuple[str, Path]], scratch: Path) -> tuple[list[InputImage], list[Path]]:
    """The pictures named on the command line, checked and made clean as the server does it."""
    inputs, paths = [], []
    for number, (name, source) in enumerate(pictures):
        option = "--mask" if name == "mask" else "--image"
        try:
            content = source.read_bytes()
        except OSError as error:
            raise Refusal(f"{option} {source}: {error.strerror}") from error
        clean, width, height = asyncio.run(images.accept(content, option))
        path = scratch / f"{number}.png"
        path.write_bytes(clean)
        inputs.append(InputImage(f"inputs/{number}.png", width, height))
        paths.append(path)
    return inputs, paths


async def _make(settings: Settings, request: GenerationRequest, paths: Sequence[Path]) -> MadeImage:
    made = make_backends(settings, Catalog.load())
    backend = Router(made.backends, made.serving).backend_for(request.model)
    engines = [engine for engine in made.engines if engine is backend]
    with _bar() as bar:
        line = bar.add_task("loading", total=None)
        try:
            for engine in engines:
                require_engine_packages()
                await engine.start()
            # The protocol says that the iterator can be closed.
            async with aclosing(cast("Any", backend.generate(request, paths))) as progress:
                async for event in progress:
                    if isinstance(event, StepDone):
                        bar.update(line, description="painting", total=event.steps, completed=event.step)
                    elif isinstance(event, MadeImage):
                        return event
        finally:
            for engine in engines:
                await engine.close()
    raise ModelUnavailable("the backend made no picture")


def _bar() -> Progress:
    columns = (SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn())
    return Progress(*columns, console=Console(stderr=True), transient=True)

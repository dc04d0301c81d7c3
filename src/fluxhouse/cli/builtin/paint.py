"""`fluxhouse builtin paint`: a sheet of painted scenes, or of edits, with their words."""

from __future__ import annotations

from enum import StrEnum
from importlib import import_module
from pathlib import Path
from typing import Annotated

import typer

from fluxhouse.assembly import require_engine_packages
from fluxhouse.cli.opening import Refusal


class Shown(StrEnum):
    """What is painted: a stage of the world, or pairs of pictures."""

    SHAPE = "shape"
    SCENES = "scenes"
    FULL = "full"
    EDITS = "edits"


def paint(
    output: Annotated[Path, typer.Option("-o", "--output", help="File to write: .png, .jpg or .webp.")],
    show: Annotated[Shown, typer.Option(help="One shape, scenes, the whole world, or edits.")] = Shown.FULL,
    count: Annotated[int, typer.Option(help="How many.", min=1, max=1000)] = 24,
    seed: Annotated[int, typer.Option(help="Same seed, same sheet.", min=0)] = 0,
    size: Annotated[int, typer.Option(help="Pixels of each picture's sides.", min=16, max=2048)] = 256,
) -> None:
    """Paint what the built-in model learns from, and print the words it learns it by."""
    require_engine_packages()
    sheet = import_module("fluxhouse.builtin.painter_sheet")
    drawn = sheet.draw_edits(count, seed, size) if show is Shown.EDITS else sheet.draw(show.value, count, seed, size)
    try:
        sheet.compose([pictures for _, pictures in drawn]).save(output)
    except (OSError, ValueError) as error:
        raise Refusal(f"-o {output}: {error}") from error
    for number, (words, _) in enumerate(drawn, 1):
        typer.echo(f"{number:4}  {words}")

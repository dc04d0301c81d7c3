"""`fluxhouse builtin score`: how well pictures follow prompts and edits follow instructions, by attribute."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import Annotated

import typer

from fluxhouse.assembly import require_engine_packages
from fluxhouse.cli.opening import Refusal
from fluxhouse.cli.tables import show, table
from fluxhouse.client import Client, FluxhouseError


def score(
    painter: Annotated[bool, typer.Option("--painter", help="Score the painter itself: the upper bound.")] = False,
    folder: Annotated[Path | None, typer.Option(help="Score a checkpoint in a diffusers folder.")] = None,
    url: Annotated[str | None, typer.Option(help="Score a server; by default the one on this machine.")] = None,
    key: Annotated[str | None, typer.Option(help="Its API key.", envvar="FLUXHOUSE_API_KEY")] = None,
    model: Annotated[str, typer.Option(help="The server's model for prompts.")] = "flux-dev",
    edit_model: Annotated[str, typer.Option(help="The server's model for edits.")] = "flux-kontext-dev",
    calls: Annotated[int, typer.Option(help="Prompts to score.", min=1)] = 500,
    edits: Annotated[int, typer.Option(help="Edits to score.", min=0)] = 100,
    size: Annotated[int, typer.Option(help="Pixels of each picture's sides.", min=128, max=1024)] = 256,
    seed: Annotated[int, typer.Option(help="Same seed, same prompts.", min=0)] = 0,
    stage: Annotated[str, typer.Option(help="shape, scenes or full: how much of the world to ask for.")] = "full",
) -> None:
    """Have pictures made for held-out prompts, read them by another eye than the training's, and print what is right.

    One of --painter, --folder and --url says who makes them.
    """
    if painter + (folder is not None) + (url is not None) > 1:
        raise Refusal("one of --painter, --folder and --url, not more")
    if stage not in ("shape", "scenes", "full"):
        raise Refusal(f"--stage is shape, scenes or full, not {stage!r}")
    require_engine_packages()
    sources = import_module("fluxhouse.builtin.scoring_sources")
    with Client(key, url) as client:
        if painter:
            source = sources.Painter(size)
        elif folder is not None:
            source = import_module("fluxhouse.builtin.scoring_folder").Folder(folder, size)
        else:
            source = sources.Installation(client, model, edit_model, size)
        try:
            _print(source, calls, edits, size, seed, stage)
        except FluxhouseError as error:
            raise Refusal(str(error)) from error


def _print(source: object, calls: int, edits: int, size: int, seed: int, stage: str) -> None:
    run = import_module("fluxhouse.builtin.scoring_run")
    lines = table("attribute", "asked", "right", "share")
    for row in run.prompt_rows(source, calls, seed, stage):
        lines.add_row(*row)
    show(lines)
    if edits:
        typer.echo()
        lines = table("edit", "asked", "right", "share")
        for row in run.edit_rows(source, edits, seed, size):
            lines.add_row(*row)
        show(lines)

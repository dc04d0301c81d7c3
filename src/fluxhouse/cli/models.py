"""`fluxhouse models`: what the catalog has, what is served here, and from which weights."""

from __future__ import annotations

from typing import Annotated

import typer

from fluxhouse.assembly import load_catalog, make_backends, models_folder
from fluxhouse.catalog.catalog import Catalog
from fluxhouse.cli.models_doctor import doctor
from fluxhouse.cli.models_pull import pull, remove_pulled, users_of
from fluxhouse.cli.opening import DataFolder
from fluxhouse.cli.tables import show, table
from fluxhouse.engine.memory import gigabytes
from fluxhouse.engine.pulled import list_pulled
from fluxhouse.generation.credits import to_number
from fluxhouse.settings import read_settings

commands = typer.Typer(
    help="Models: what the catalog has, what is served here, and their weights.", no_args_is_help=True
)
commands.command("pull")(pull)
commands.command("rm")(remove_pulled)
commands.command("doctor")(doctor)


@commands.command("list")
def list_models(folder: DataFolder = None) -> None:
    """List every model with its price and who makes it here, and the checkpoints that were pulled."""
    settings, catalog = read_settings(data=folder), Catalog.load()
    serving = make_backends(settings, catalog).serving
    lines = table("model", "credits", "served by", "name")
    for model in catalog.models:
        facts = model.served_by(serving)
        served_by = "not served here" if facts is None else facts.backend
        lines.add_row(model.id, str(to_number(model.price_micro)), served_by, model.name)
    show(lines)
    if whole := list_pulled(models_folder(settings)):
        typer.echo()
        checkpoints = table("checkpoint", "size", "for", "licence")
        for pulled in whole:
            users = ", ".join(users_of(pulled.repository, settings)) or "no model"
            checkpoints.add_row(pulled.repository, gigabytes(pulled.size_bytes), users, str(pulled.licence))
        show(checkpoints)


@commands.command("show")
def show_model(
    model_id: Annotated[str, typer.Argument(help="The model's id.", metavar="ID")], folder: DataFolder = None
) -> None:
    """Show one model: its parameters, sizes, price and licence."""
    settings = read_settings(data=folder)
    catalog = load_catalog(settings)
    model = catalog.model(model_id)
    facts = model.served_by(make_backends(settings, catalog).serving)
    typer.echo(f"{model.id}  {model.name}\n{model.description}\n")
    typer.echo(f"price      {to_number(model.price_micro)} credits an image")
    typer.echo(f"licence    {model.licence.name}")
    if facts is None:
        typer.echo("served by  nobody here")
    else:
        typer.echo(f"served by  {facts.backend}, {facts.steps} steps, guidance {facts.guidance}")
    typer.echo(f"ratios     {', '.join(model.aspect_ratios)}\n")
    lines = table("parameter", "type", "default", "range", "")
    for parameter in model.parameters:
        default = "" if parameter.default is None else str(parameter.default)
        bounds = (parameter.minimum, parameter.maximum)
        spread = "" if bounds == (None, None) else "..".join("" if bound is None else str(bound) for bound in bounds)
        note = "required" if parameter.required else "" if parameter.supported else "not supported yet"
        lines.add_row(parameter.name, str(parameter.type), default, spread, note)
    show(lines)

"""`fluxhouse models`: what the catalog has, and what is served here."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from fluxhouse.assembly import make_backends
from fluxhouse.catalog.catalog import Catalog
from fluxhouse.cli.opening import DataFolder
from fluxhouse.generation.credits import to_number
from fluxhouse.settings import read_settings

commands = typer.Typer(help="Models: what the catalog has, and what is served here.", no_args_is_help=True)


@commands.command("list")
def list_models(folder: DataFolder = None) -> None:
    """List every model with its price and who makes it here."""
    catalog = Catalog.load()
    serving = make_backends(read_settings(data=folder), catalog).serving
    table = Table("model", "credits", "served by", "name", box=None)
    for model in catalog.models:
        facts = serving.get(model.id)
        served_by = "not served here" if facts is None else facts.backend
        table.add_row(model.id, str(to_number(model.price_micro)), served_by, model.name)
    Console().print(table)


@commands.command("show")
def show(
    model_id: Annotated[str, typer.Argument(help="The model's id.", metavar="ID")], folder: DataFolder = None
) -> None:
    """Show one model: its parameters, sizes, price and licence."""
    catalog = Catalog.load()
    model = catalog.model(model_id)
    facts = make_backends(read_settings(data=folder), catalog).serving.get(model.id)
    console = Console()
    console.print(f"[bold]{model.id}[/bold]  {model.name}\n{model.description}\n", highlight=False)
    console.print(f"price      {to_number(model.price_micro)} credits an image", highlight=False)
    console.print(f"licence    {model.licence.name}", highlight=False)
    if facts is None:
        console.print("served by  nobody here", highlight=False)
    else:
        console.print(f"served by  {facts.backend}, {facts.steps} steps, guidance {facts.guidance}", highlight=False)
    console.print(f"ratios     {', '.join(model.aspect_ratios)}\n", highlight=False)
    table = Table("parameter", "type", "default", "range", "", box=None)
    for parameter in model.parameters:
        default = "" if parameter.default is None else str(parameter.default)
        bounds = (parameter.minimum, parameter.maximum)
        spread = "" if bounds == (None, None) else "..".join("" if bound is None else str(bound) for bound in bounds)
        note = "required" if parameter.required else "" if parameter.supported else "not supported yet"
        table.add_row(parameter.name, str(parameter.type), default, spread, note)
    console.print(table)

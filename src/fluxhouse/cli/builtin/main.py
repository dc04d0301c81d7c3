"""`fluxhouse builtin …`: paint what the built-in model learns from, and score pictures against it."""

from __future__ import annotations

import typer

from fluxhouse.cli.builtin.paint import paint
from fluxhouse.cli.builtin.score import score

commands = typer.Typer(help="The built-in model: what it learns from, and how well it follows.", no_args_is_help=True)
commands.command()(paint)
commands.command()(score)

"""`fluxhouse builtin …`: paint what the built-in model learns from, train it, and score pictures against it."""

from __future__ import annotations

import typer

from fluxhouse.cli.builtin.paint import paint
from fluxhouse.cli.builtin.score import score
from fluxhouse.cli.builtin.train import PASSED_ON, train

commands = typer.Typer(help="The built-in model: what it learns from, and how well it follows.", no_args_is_help=True)
commands.command()(paint)
commands.command()(score)
commands.command(context_settings=PASSED_ON)(train)

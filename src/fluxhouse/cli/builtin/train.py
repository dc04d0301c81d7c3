"""`fluxhouse builtin train`: the recipe of the built-in model, whose own command line takes the arguments."""

from __future__ import annotations

from importlib import import_module

import typer

from fluxhouse.assembly import require_engine_packages

PASSED_ON = {"allow_extra_args": True, "ignore_unknown_options": True, "help_option_names": []}
"""What the command is registered with, so that the recipe reads every argument, `--help` too."""


def train(context: typer.Context) -> None:
    """Train a part: autoencoder, text, transformer, guidance or lora; --help says how."""
    require_engine_packages()
    raise typer.Exit(import_module("fluxhouse.builtin.training.__main__").main(context.args))

"""How commands print tables: whole on a terminal and in a pipe, and brackets as they are."""

from __future__ import annotations

import sys

from rich.console import Console
from rich.table import Table

_PIPE_WIDTH = 240  # characters; nobody wraps there


def table(*columns: str) -> Table:
    """A plain table with these columns."""
    return Table(*columns, box=None, pad_edge=False)


def show(filled: Table) -> None:
    """Print a table to standard output."""
    width = None if sys.stdout.isatty() else _PIPE_WIDTH
    Console(markup=False, highlight=False, width=width).print(filled)

"""`fluxhouse reconcile`: prove ledger, balances, holds and jobs, or say what does not add up."""

from __future__ import annotations

import typer

from fluxhouse.cli.opening import DataFolder, opened
from fluxhouse.core import reconcile as accounting
from fluxhouse.generation.credits import to_number


def reconcile(folder: DataFolder = None) -> None:
    """Prove on one snapshot that all credits add up; exit code 1 on any drift."""
    with opened(folder) as (_, database), database.snapshot() as connection:
        drifts = accounting.reconcile(connection)
    for drift in drifts:
        typer.echo(f"{drift.rule}: {drift.subject} is off by {to_number(drift.difference_micro)} credits")
    typer.echo(f"{len(drifts)} drifts")
    if drifts:
        raise typer.Exit(1)

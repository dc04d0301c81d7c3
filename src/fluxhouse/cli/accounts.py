"""`fluxhouse accounts`: who has credits and keys here."""

from __future__ import annotations

from typing import Annotated

import typer

from fluxhouse.cli.opening import DataFolder, opened
from fluxhouse.cli.tables import show, table
from fluxhouse.core import ledger
from fluxhouse.core.accounts import create, everyone
from fluxhouse.core.topup import topup
from fluxhouse.generation.clock import SystemClock
from fluxhouse.generation.credits import to_micro, to_number

commands = typer.Typer(help="Accounts: who has credits and keys here.", no_args_is_help=True)


@commands.command("create")
def create_account(
    name: Annotated[str, typer.Argument(help="The account's name, 1 to 100 characters.")],
    credits: Annotated[str, typer.Option(help="Credits it starts with; up to six decimals.")] = "0",
    folder: DataFolder = None,
) -> None:
    """Create an account, with credits to spend."""
    now = SystemClock().now()
    with opened(folder, new=True) as (_, database), database.transaction() as connection:
        amount_micro = to_micro(credits)
        account = create(connection, name, now)
        if amount_micro:
            topup(connection, account.name, amount_micro, now)
    typer.echo(f"account {account.name!r} has {to_number(amount_micro)} credits")


@commands.command("list")
def list_accounts(folder: DataFolder = None) -> None:
    """List every account with what it can spend and what its open jobs hold."""
    lines = table("account", "available", "held", "since")
    with opened(folder) as (_, database), database.snapshot() as connection:
        for account in everyone(connection):
            balance = ledger.balance(connection, account.id)
            amounts = (str(to_number(balance.available_micro)), str(to_number(balance.held_micro)))
            name = f"{account.name} (suspended)" if account.suspended else account.name
            lines.add_row(name, *amounts, f"{account.created_at:%Y-%m-%d}")
    show(lines)

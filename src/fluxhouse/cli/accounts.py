"""`fluxhouse accounts`: who has credits and keys here."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from fluxhouse.cli.opening import DataFolder, account_named, opened
from fluxhouse.cli.tables import show, table
from fluxhouse.core import audit, ledger
from fluxhouse.core.accounts import create, everyone, suspend, weigh
from fluxhouse.core.topup import topup
from fluxhouse.generation.clock import SystemClock
from fluxhouse.generation.credits import to_micro, to_number

Name = Annotated[str, typer.Argument(help="The account's name.")]

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
        audit.note(
            connection, audit.COMMAND, "accounts.create", account.name, now, credits=str(to_number(amount_micro))
        )
        if amount_micro:
            topup(connection, account.name, amount_micro, now)
    typer.echo(f"account {account.name!r} has {to_number(amount_micro)} credits")


@commands.command("list")
def list_accounts(folder: DataFolder = None) -> None:
    """List every account with what it can spend and what its open jobs hold."""
    lines = table("account", "available", "held", "weight", "since")
    with opened(folder) as (_, database), database.snapshot() as connection:
        for account in everyone(connection):
            balance = ledger.balance(connection, account.id)
            amounts = (str(to_number(balance.available_micro)), str(to_number(balance.held_micro)))
            name = f"{account.name} (suspended)" if account.suspended else account.name
            lines.add_row(name, *amounts, str(account.weight), f"{account.created_at:%Y-%m-%d}")
    show(lines)


@commands.command("suspend")
def suspend_account(name: Name, folder: DataFolder = None) -> None:
    """Make an account's keys answer 403 from now on; its jobs run on."""
    _set_suspended(name, folder, suspended=True)
    typer.echo(f"account {name!r} is suspended")


@commands.command("resume")
def resume_account(name: Name, folder: DataFolder = None) -> None:
    """Let a suspended account's keys work again."""
    _set_suspended(name, folder, suspended=False)
    typer.echo(f"account {name!r} may submit")


@commands.command("weigh")
def weigh_account(
    name: Name,
    weight: Annotated[int, typer.Argument(help="2 gets twice as much as 1 while both wait.", min=1)],
    folder: DataFolder = None,
) -> None:
    """Set an account's share of what the backends can make, for the jobs it submits from now on."""
    with opened(folder) as (_, database):
        account = account_named(database, name)
        with database.transaction() as connection:
            weigh(connection, account.id, weight)
            facts = {"before": account.weight, "weight": weight}
            audit.note(connection, audit.COMMAND, "accounts.weight", name, SystemClock().now(), **facts)
    typer.echo(f"account {name!r} has the weight {weight}")


def _set_suspended(name: str, folder: Path | None, *, suspended: bool) -> None:
    with opened(folder) as (_, database):
        account = account_named(database, name)
        with database.transaction() as connection:
            suspend(connection, account.id, suspended)
            action = "accounts.suspend" if suspended else "accounts.resume"
            audit.note(connection, audit.COMMAND, action, name, SystemClock().now())

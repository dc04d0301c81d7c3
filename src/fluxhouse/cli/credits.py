"""`fluxhouse credits`: grant them, and see where they went."""

from __future__ import annotations

from typing import Annotated

import typer
from sqlalchemy.exc import IntegrityError

from fluxhouse.cli.opening import DataFolder, Refusal, account_named, opened
from fluxhouse.cli.tables import show, table
from fluxhouse.core import audit, ledger
from fluxhouse.core.topup import topup
from fluxhouse.generation.clock import SystemClock
from fluxhouse.generation.credits import to_micro, to_number

commands = typer.Typer(help="Credits: grant them, and see where they went.", no_args_is_help=True)

AccountName = Annotated[str, typer.Argument(help="The account's name.", metavar="NAME")]


@commands.command("grant")
def grant(
    name: AccountName,
    credits: Annotated[str, typer.Argument(help="How many; up to six decimals.", metavar="N")],
    reference: Annotated[str | None, typer.Option(help="What it is for; each reference is granted once.")] = None,
    folder: DataFolder = None,
) -> None:
    """Grant credits to an account."""
    try:
        with opened(folder) as (_, database), database.transaction() as connection:
            now, amount_micro = SystemClock().now(), to_micro(credits)
            balance = topup(connection, name, amount_micro, now, reference)
            facts = {"credits": str(to_number(amount_micro)), "why": reference}
            audit.note(connection, audit.COMMAND, "credits.grant", name, now, **facts)
    except IntegrityError:
        raise Refusal(f"{reference!r} was granted before") from None
    typer.echo(f"account {name!r} has {to_number(balance.available_micro)} credits to spend")


@commands.command("show")
def show_account(
    name: AccountName,
    entries: Annotated[int, typer.Option(help="How many of the newest ledger entries to list.", min=0)] = 10,
    folder: DataFolder = None,
) -> None:
    """Show an account's balance and its newest ledger entries."""
    with opened(folder) as (_, database):
        account = account_named(database, name)
        with database.snapshot() as connection:
            balance = ledger.balance(connection, account.id)
            newest = ledger.entries(connection, account.id, entries)
    for word, amount_micro in (
        ("balance", balance.total_micro),
        ("held", balance.held_micro),
        ("available", balance.available_micro),
    ):
        typer.echo(f"{word:10}{to_number(amount_micro)}")
    if newest:
        lines = table("when (UTC)", "what", "credits", "job or reference")
        for entry in newest:
            amount = f"{to_number(entry.amount_micro):+}"
            lines.add_row(f"{entry.created_at:%Y-%m-%d %H:%M}", entry.kind, amount, entry.job_id or entry.reference)
        show(lines)

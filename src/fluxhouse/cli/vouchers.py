"""`fluxhouse vouchers`: codes worth credits once, for operators who take money elsewhere, or none."""

from __future__ import annotations

from typing import Annotated

import typer

from fluxhouse.cli.expiry import expiry
from fluxhouse.cli.opening import DataFolder, opened
from fluxhouse.cli.tables import show, table
from fluxhouse.core import audit, vouchers
from fluxhouse.generation.clock import SystemClock
from fluxhouse.generation.credits import to_micro, to_number

commands = typer.Typer(help="Vouchers: codes worth credits once.", no_args_is_help=True)


@commands.command("create")
def create(
    credits: Annotated[str, typer.Argument(help="What each is worth; up to six decimals.", metavar="N")],
    count: Annotated[int, typer.Option(help="How many.", min=1, max=1000)] = 1,
    label: Annotated[str, typer.Option(help="What they are for.")] = "",
    expires: Annotated[str | None, typer.Option(help="When they end: 30d, 12h, or 2027-01-31.")] = None,
    folder: DataFolder = None,
) -> None:
    """Make vouchers. Their codes are shown once, one a line and nothing else."""
    now = SystemClock().now()
    end = None if expires is None else expiry(expires, now)
    with opened(folder) as (_, database), database.transaction() as connection:
        amount_micro = to_micro(credits)
        codes = [vouchers.issue(connection, amount_micro, now, label, end) for _ in range(count)]
        worth = str(to_number(amount_micro))
        audit.note(connection, audit.COMMAND, "vouchers.create", label, now, count=count, credits=worth)
    for code in codes:
        typer.echo(code)


@commands.command("list")
def list_vouchers(
    count: Annotated[int, typer.Option(help="How many of the newest.", min=1, max=100_000)] = 50,
    folder: DataFolder = None,
) -> None:
    """List vouchers, never their codes, with who has redeemed them."""
    lines = table("created (UTC)", "label", "credits", "state")
    now = SystemClock().now()
    with opened(folder) as (_, database), database.snapshot() as connection:
        for voucher in vouchers.latest(connection, count):
            if voucher.redeemed_at is not None:
                state = f"redeemed {voucher.redeemed_at:%Y-%m-%d} by {voucher.account_id}"
            elif voucher.expires_at is not None and voucher.expires_at <= now:
                state = "expired"
            else:
                state = f"until {voucher.expires_at:%Y-%m-%d %H:%M}" if voucher.expires_at else "in force"
            worth = str(to_number(voucher.amount_micro))
            lines.add_row(f"{voucher.created_at:%Y-%m-%d %H:%M}", voucher.label, worth, state)
    show(lines)

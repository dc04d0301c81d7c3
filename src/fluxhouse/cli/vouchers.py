"""`fluxhouse vouchers`: codes worth credits once, for operators who take money elsewhere, or none."""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from typing import Annotated

import typer

from fluxhouse.cli.opening import DataFolder, Refusal, opened
from fluxhouse.cli.tables import show, table
from fluxhouse.core import audit, vouchers
from fluxhouse.core.topup import MOST_MICRO
from fluxhouse.generation.clock import SystemClock
from fluxhouse.generation.credits import MICRO, to_micro, to_number

commands = typer.Typer(help="Vouchers: codes worth credits once.", no_args_is_help=True)


@commands.command("create")
def create(
    credits: Annotated[str, typer.Argument(help="What each is worth; up to six decimals.", metavar="N")],
    count: Annotated[int, typer.Option(help="How many.", min=1, max=1000)] = 1,
    label: Annotated[str, typer.Option(help="What they are for.")] = "",
    expires: Annotated[str | None, typer.Option(help="After how many days they end: 30d.")] = None,
    folder: DataFolder = None,
) -> None:
    """Make vouchers. Their codes are shown once, one a line and nothing else."""
    now = SystemClock().now()
    amount, end = _worth(credits), None if expires is None else _end(expires, now)
    with opened(folder) as (_, database), database.transaction() as connection:
        codes = [vouchers.issue(connection, amount, now, label, end) for _ in range(count)]
        audit.note(connection, audit.COMMAND, "vouchers.create", label, now, count=count, amount_micro=amount)
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


def _worth(credits: str) -> int:
    try:
        amount = to_micro(credits)
    except ValueError as error:
        raise Refusal(str(error)) from None
    if not 0 < amount <= MOST_MICRO:
        raise Refusal(f"a voucher is worth more than zero and at most {MOST_MICRO // MICRO:,} credits")
    return amount


def _end(text: str, now: datetime) -> datetime:
    match = re.fullmatch(r"(\d{1,4})d", text)
    if match is None or int(match[1]) == 0:
        raise Refusal(f"--expires takes a number of days such as 30d, not {text!r}")
    return now + timedelta(days=int(match[1]))

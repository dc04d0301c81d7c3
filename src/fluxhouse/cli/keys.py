"""`fluxhouse keys`: issue, list and revoke API keys."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

import typer

from fluxhouse.assembly import pepper, read_secret
from fluxhouse.catalog.catalog import Catalog
from fluxhouse.cli.expiry import expiry
from fluxhouse.cli.opening import DataFolder, Refusal, account_named, opened
from fluxhouse.cli.tables import show, table
from fluxhouse.core import accounts, audit
from fluxhouse.core.keys import DEFAULT_RATE_PER_MINUTE, Key, Limits, Scope, issue, of_account, revoke
from fluxhouse.generation.clock import SystemClock
from fluxhouse.generation.credits import to_micro, to_number

commands = typer.Typer(help="API keys: issue, list and revoke them.", no_args_is_help=True)


@commands.command("create")
def create(
    name: Annotated[str, typer.Argument(help="The account's name.")],
    scope: Annotated[list[Scope] | None, typer.Option(help="What it may do; repeat it; both without.")] = None,
    model: Annotated[list[str] | None, typer.Option(help="A model it may use; repeat it; all without.")] = None,
    expires: Annotated[str | None, typer.Option(help="When it ends: 30d, 12h, or 2027-01-31.")] = None,
    cap: Annotated[str | None, typer.Option(help="Credits it may spend in all.")] = None,
    rate: Annotated[int, typer.Option(help="Submits a minute.", min=1)] = DEFAULT_RATE_PER_MINUTE,
    label: Annotated[str, typer.Option(help="A word to know it by.")] = "",
    folder: DataFolder = None,
) -> None:
    """Issue a key. It is shown once: the last line of the output is the key alone."""
    now = SystemClock().now()
    with opened(folder) as (settings, database):
        account = account_named(database, name)
        limits = Limits(
            scopes=frozenset(scope or Scope),
            models=_known_models(model),
            expires_at=None if expires is None else expiry(expires, now),
            spend_cap_micro=None if cap is None else to_micro(cap),
            rate_per_minute=rate,
        )
        with database.transaction() as connection:
            key, shown = issue(connection, account.id, pepper(read_secret(settings)), now, label[:100], limits)
            audit.note(connection, audit.COMMAND, "keys.create", key.id, now, account=account.name)
    typer.echo(f"key {key.id} of account {name!r}; it is not shown again:")
    typer.echo(shown)


@commands.command("list")
def list_keys(
    name: Annotated[str | None, typer.Argument(help="Only this account's.")] = None, folder: DataFolder = None
) -> None:
    """List keys by their public id, with what they may and have done."""
    lines = table("key", "account", "label", "scopes", "models", "rate", "spent", "cap", "state")
    now = SystemClock().now()
    with opened(folder) as (_, database):
        only = None if name is None else account_named(database, name)
        with database.snapshot() as connection:
            for account in accounts.everyone(connection) if only is None else (only,):
                for key in of_account(connection, account.id):
                    lines.add_row(*_row(key, account.name, now))
    show(lines)


@commands.command("revoke")
def revoke_key(
    key_id: Annotated[str, typer.Argument(help="The key's public id, or the key itself.", metavar="KEY")],
    folder: DataFolder = None,
) -> None:
    """Make a key useless at once."""
    public = key_id.split("_")[1] if key_id.count("_") == 2 else key_id
    with opened(folder) as (_, database), database.transaction() as connection:
        now = SystemClock().now()
        if not revoke(connection, public, now):
            raise Refusal(f"there is no key {public!r} in force")
        audit.note(connection, audit.COMMAND, "keys.revoke", public, now)
    typer.echo(f"key {public} is revoked")


def _row(key: Key, account: str, now: datetime) -> tuple[str, ...]:
    ended = "revoked" if key.revoked_at else "expired" if key.expires_at and key.expires_at <= now else ""
    until = f"until {key.expires_at:%Y-%m-%d %H:%M}" if key.expires_at else "in force"
    return (
        key.id,
        account,
        key.label,
        " ".join(sorted(key.scopes)),
        "all" if key.models is None else " ".join(sorted(key.models)),
        f"{key.rate_per_minute}/min",
        str(to_number(key.spent_micro)),
        "" if key.spend_cap_micro is None else str(to_number(key.spend_cap_micro)),
        ended or until,
    )


def _known_models(models: list[str] | None) -> frozenset[str] | None:
    if not models:
        return None
    known = [model.id for model in Catalog.load().models]
    if unknown := sorted(set(models) - set(known)):
        raise Refusal(f"there is no model {unknown[0]!r}; there are {', '.join(known)}")
    return frozenset(models)

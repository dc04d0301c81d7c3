"""What every command shares: its data folder, and how it refuses."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from fluxhouse.assembly import make_data_folder
from fluxhouse.core import accounts
from fluxhouse.core.accounts import Account
from fluxhouse.database.database import Database
from fluxhouse.settings import Settings, read_settings

DataFolder = Annotated[
    Path | None, typer.Option("--data", help="The data folder; FLUXHOUSE_DATA or ./fluxhouse-data.", metavar="DIR")
]


class Refusal(Exception):
    """The command cannot do what was asked; the message is for whoever typed it."""


@contextmanager
def opened(folder: Path | None, *, new: bool = False) -> Iterator[tuple[Settings, Database]]:
    """The installation in a data folder, beside a server that may be running on it.

    Raises `Refusal` where there is none yet, unless it may be `new`, and for what the core refuses in the block.
    """
    settings = read_settings(data=folder)
    path = Path(settings.database_address.removeprefix("sqlite:///"))
    if not new and not settings.is_fleet and not path.exists():
        raise Refusal(f"there is no database at {path}: start `fluxhouse serve` first, or name another --data")
    make_data_folder(settings)
    database = Database(settings.database_address)
    try:
        database.migrate()
        yield settings, database
    except ValueError as error:
        raise Refusal(str(error)) from error
    finally:
        database.close()


def account_named(database: Database, name: str) -> Account:
    """The account of that name; raises `Refusal`."""
    with database.snapshot() as connection:
        account = accounts.by_name(connection, name)
    if account is None:
        raise Refusal(f"there is no account {name!r}")
    return account

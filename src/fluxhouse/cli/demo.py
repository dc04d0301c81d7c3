"""The demo account: what the first `serve` on an empty data folder makes, so that there is a key to paste."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

from sqlalchemy import Connection

from fluxhouse.assembly import pepper, read_secret, write_private
from fluxhouse.cli.opening import Refusal
from fluxhouse.core import accounts, keys
from fluxhouse.core.topup import topup
from fluxhouse.generation.credits import MICRO
from fluxhouse.generation.errors import AccessDenied
from fluxhouse.settings import Settings

NAME = "demo"
CREDITS = 1000
_LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})


def demo_key(connection: Connection, settings: Settings, now: datetime, *, allowed: bool) -> str | None:
    """The demo key's text where it is in force, made where the database has no account at all; None without one,
    and in a fleet.

    Raises `Refusal` for a server that would be reached from elsewhere with it, unless that is `allowed`.
    """
    if settings.is_fleet:
        return None  # a fleet's accounts are its operator's to open
    path = settings.data_folder / "demo-key"
    text = _in_force(connection, settings, path, now)
    first = text is None and not accounts.everyone(connection)
    if (first or text is not None) and settings.host not in _LOOPBACK and not allowed:
        raise Refusal(_exposed(settings, first))
    return _create(connection, settings, path, now) if first else text


def _in_force(connection: Connection, settings: Settings, path: Path, now: datetime) -> str | None:
    try:
        text = path.read_text().strip()
        keys.authenticate(connection, text, pepper(read_secret(settings)), now)
    except (FileNotFoundError, AccessDenied):
        return None
    return text


def _create(connection: Connection, settings: Settings, path: Path, now: datetime) -> str:
    account = accounts.create(connection, NAME, now)
    topup(connection, NAME, CREDITS * MICRO, now)
    _, text = keys.issue(connection, account.id, pepper(read_secret(settings)), now, "demo")
    # Before the commit: a file whose key was never committed is replaced, an account without its file would not be.
    write_private(path, text + "\n", replace=True)
    return text


def _exposed(settings: Settings, first: bool) -> str:
    folder = settings.data_folder
    remedy = (
        f"`fluxhouse accounts create NAME --credits N --data {folder}` and `fluxhouse keys create NAME --data {folder}`"
        if first
        else f"`fluxhouse keys revoke $(cat {folder / 'demo-key'}) --data {folder}`"
    )
    return (
        f"{settings.host} can be reached from other machines, and the demo key would open this server: "
        f"first run {remedy}, or serve with --allow-demo-key"
    )

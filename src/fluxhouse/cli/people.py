"""`fluxhouse people`: who signs in to the console."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from fluxhouse.cli.opening import DataFolder, Refusal, account_named, opened
from fluxhouse.cli.tables import show, table
from fluxhouse.core import accounts, audit, people, sessions
from fluxhouse.core.people import Role
from fluxhouse.generation.clock import SystemClock

commands = typer.Typer(help="People: who signs in to the console.", no_args_is_help=True)

Address = Annotated[str, typer.Argument(help="The e-mail address to sign in with.")]
FromInput = Annotated[bool, typer.Option("--password-stdin", help="Read the password from standard input.")]


@commands.command("create")
def create_person(
    address: Address,
    account: Annotated[str, typer.Option(help="The account that the person belongs to.")],
    admin: Annotated[bool, typer.Option("--admin", help="May see and change the whole installation.")] = False,
    password_stdin: FromInput = False,
    folder: DataFolder = None,
) -> None:
    """Let a person sign in to an account."""
    now, role = SystemClock().now(), Role.ADMIN if admin else Role.MEMBER
    with opened(folder) as (_, database):
        owner = account_named(database, account)
        digest = people.digest_password(_password(password_stdin))
        with database.transaction() as connection:
            person = people.create(connection, owner.id, address, digest, role, now)
            audit.note(connection, audit.COMMAND, "people.create", person.address, now, role=role.value)
    typer.echo(f"{person.address} may sign in to the account {owner.name!r} as {role.value}")


@commands.command("password")
def new_password(address: Address, password_stdin: FromInput = False, folder: DataFolder = None) -> None:
    """Give a person a new password, and sign the person out everywhere."""
    now = SystemClock().now()
    with opened(folder) as (_, database):
        with database.snapshot() as connection:
            found = people.by_address(connection, address)
        if found is None:
            raise Refusal(f"nobody has the address {address!r}")
        digest = people.digest_password(_password(password_stdin))
        with database.transaction() as connection:
            people.set_password(connection, found[0].id, digest)
            sessions.end_all(connection, found[0].id)
            audit.note(connection, audit.COMMAND, "people.password", found[0].address, now)
    typer.echo(f"{found[0].address} has a new password")


@commands.command("list")
def list_people(folder: DataFolder = None) -> None:
    """List everybody who may sign in."""
    lines = table("address", "account", "role", "since")
    with opened(folder) as (_, database), database.snapshot() as connection:
        for account in accounts.everyone(connection):
            for person in people.of_account(connection, account.id):
                lines.add_row(person.address, account.name, person.role.value, f"{person.created_at:%Y-%m-%d}")
    show(lines)


def _password(from_input: bool) -> str:
    """The password as it was typed, twice and unseen, or as the first line of standard input."""
    if from_input:
        return sys.stdin.readline().rstrip("\n")
    typed: str = typer.prompt("Password", hide_input=True, confirmation_prompt=True)
    return typed

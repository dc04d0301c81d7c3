"""The command line: every command under `fluxhouse`, and how it ends: 0 done, 1 failed, 2 not understood."""

from __future__ import annotations

import sys

import typer

from fluxhouse.assembly import EngineMissing
from fluxhouse.cli import accounts, credits, examples, keys, models, people, vouchers
from fluxhouse.cli.backup import backup
from fluxhouse.cli.bench.main import bench
from fluxhouse.cli.builtin import main as builtin
from fluxhouse.cli.doctor import doctor
from fluxhouse.cli.generate import generate
from fluxhouse.cli.opening import Refusal
from fluxhouse.cli.reconcile import reconcile
from fluxhouse.cli.restore import restore
from fluxhouse.cli.serve import serve
from fluxhouse.cli.worker import worker
from fluxhouse.database.lock import FolderInUse
from fluxhouse.generation.errors import PlatformError
from fluxhouse.settings import SettingsRefused

# Tracebacks with local variables would print keys and prompts.
app = typer.Typer(
    help="Your own FLUX image API.", no_args_is_help=True, pretty_exceptions_enable=False, add_completion=False
)
for command in (serve, worker, generate, doctor, reconcile, backup, restore):
    app.command()(command)
app.add_typer(accounts.commands, name="accounts")
app.add_typer(people.commands, name="people")
app.add_typer(keys.commands, name="keys")
app.add_typer(credits.commands, name="credits")
app.add_typer(vouchers.commands, name="vouchers")
app.add_typer(models.commands, name="models")
app.add_typer(examples.commands, name="examples")
app.add_typer(bench, name="bench")
app.add_typer(builtin.commands, name="builtin")


def main() -> None:
    """Run the command that was typed; what it refuses is one sentence on standard error."""
    try:
        app()
    except SettingsRefused as error:
        sys.exit(_said(error, 2))
    except (Refusal, FolderInUse, EngineMissing, PlatformError) as error:
        sys.exit(_said(error, 1))


def _said(error: Exception, code: int) -> int:
    sys.stderr.write(f"fluxhouse: {error}\n")
    return code

"""`fluxhouse worker`: works jobs without serving the API."""

from __future__ import annotations

import asyncio
import signal

import typer

from fluxhouse.assembly import Platform, assemble, require_engine_packages
from fluxhouse.cli.logs import log_by
from fluxhouse.cli.opening import DataFolder, Refusal
from fluxhouse.generation.errors import PlatformError
from fluxhouse.settings import read_settings


def worker(folder: DataFolder = None) -> None:
    """Work the jobs of a data folder until a signal, without serving the API."""
    settings = read_settings(data=folder)
    log_by(settings)
    asyncio.run(_work(assemble(settings)))


async def _work(platform: Platform) -> None:
    ended = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, ended.set)
    if platform.engines:
        require_engine_packages()
    await platform.open()
    try:
        await platform.begin()
        await platform.warmed_up()
        typer.echo(f"Working on the jobs in {platform.settings.data_folder}")
        await ended.wait()
    except (PlatformError, OSError) as error:
        raise Refusal(f"the engine did not start: {error}") from error
    finally:
        await platform.stop()

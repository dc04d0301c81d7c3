"""`fluxhouse worker`: works jobs without serving the API."""

from __future__ import annotations

import asyncio
import signal
import socket
from contextlib import nullcontext, suppress
from typing import Annotated

import typer

from fluxhouse.assembly import Platform, assemble, require_engine_packages
from fluxhouse.cli.listening import SIGNALS, Listener, listen, spare_the_standing
from fluxhouse.cli.logs import log_by
from fluxhouse.cli.opening import DataFolder, Refusal
from fluxhouse.generation.errors import PlatformError
from fluxhouse.settings import read_settings
from fluxhouse.tracing.opening import traced

_PROBES = "Answer /healthz, /readyz and /metrics on this port; nothing listens unless given."


def worker(
    folder: DataFolder = None,
    host: Annotated[str, typer.Option(help="Address of the probes.")] = "127.0.0.1",
    port: Annotated[int | None, typer.Option(help=_PROBES, min=0, max=65535)] = None,
) -> None:
    """Work the jobs of a data folder until a signal, without serving the API."""
    settings = read_settings(data=folder)
    log_by(settings)
    with listen(host, port) if port is not None else nullcontext() as listener, traced():
        platform = assemble(settings)
        if platform.engines:
            require_engine_packages()
        probes = Listener(platform.probes, platform.drain)
        for number in SIGNALS:
            signal.signal(number, probes.handle_exit)
        asyncio.run(_work(platform, probes, listener))


async def _work(platform: Platform, probes: Listener, listener: socket.socket | None) -> None:
    await platform.open()
    try:
        await platform.begin()
        announcing = asyncio.create_task(_announce(platform, probes))
        await (probes.ended() if listener is None else probes.serve_until_ended(listener))
        if announcing.done():
            announcing.result()
        announcing.cancel()
        with suppress(asyncio.CancelledError):
            await announcing
    finally:
        await platform.stop()


async def _announce(platform: Platform, probes: Listener) -> None:
    try:
        await platform.warmed_up()
    except Exception as error:
        probes.end()
        if isinstance(error, PlatformError | OSError):
            raise Refusal(f"the engine did not start: {error}") from error
        raise
    spare_the_standing()
    typer.echo(f"Working on the jobs in {platform.settings.data_folder}")

"""`fluxhouse serve`: the API and, unless told otherwise, the worker and its engine, until a signal ends them."""

from __future__ import annotations

import asyncio
import json
import shlex
import signal
import socket
from pathlib import Path
from typing import Annotated

import typer

from fluxhouse.assembly import Platform, assemble, require_engine_packages
from fluxhouse.cli.demo import CREDITS, NAME, demo_key
from fluxhouse.cli.listening import SIGNALS, Listener, listen, spare_the_standing
from fluxhouse.cli.logs import log_by
from fluxhouse.cli.opening import DataFolder, Refusal
from fluxhouse.console.joining import first_admin_token
from fluxhouse.core import people
from fluxhouse.generation.errors import PlatformError
from fluxhouse.settings import Settings, read_settings
from fluxhouse.tracing.opening import traced

_PROMPT = "a red sunset over a blue sea"


def serve(
    host: Annotated[str | None, typer.Option(help="Address to listen on.", show_default="127.0.0.1")] = None,
    port: Annotated[int | None, typer.Option(help="Port to listen on.", show_default="8000", min=0, max=65535)] = None,
    folder: DataFolder = None,
    no_worker: Annotated[bool, typer.Option("--no-worker", help="Take jobs in, make none.")] = False,
    show_settings: Annotated[bool, typer.Option("--show-settings", help="Print the settings and stop.")] = False,
    allow_demo_key: Annotated[bool, typer.Option("--allow-demo-key", help="Serve other machines with it.")] = False,
) -> None:
    """Serve the API, and work jobs too."""
    settings = read_settings(data=folder, host=host, port=port)
    if show_settings:
        for name, value in settings.shown().items():
            typer.echo(f"{name}={value}")
        return
    log_by(settings)
    with listen(settings.host, settings.port) as listener, traced():
        settings = settings.model_copy(update={"port": listener.getsockname()[1]})
        platform = assemble(settings, works=not no_worker)
        if platform.engines:
            require_engine_packages()
        run = _Run(platform, listener, allow_demo_key)
        # Set before uvicorn's own, so that a signal before and after its time does not end us with things lying about.
        for number in SIGNALS:
            signal.signal(number, run.http.handle_exit)
        with asyncio.Runner(loop_factory=run.http.config.get_loop_factory()) as runner:
            runner.run(run.serve())


class _Run:
    """One life of the server."""

    def __init__(self, platform: Platform, listener: socket.socket, allow_demo_key: bool) -> None:
        self._platform = platform
        self._listener = listener
        self._allow_demo_key = allow_demo_key
        self.http = Listener(platform.app, platform.drain)

    async def serve(self) -> None:
        """Serve until a signal; raises what kept the engine from starting."""
        platform = self._platform
        await platform.open()
        try:
            key = await platform.database.write(
                lambda c: demo_key(c, platform.settings, platform.door.clock.now(), allowed=self._allow_demo_key)
            )
            typer.echo(f"Fluxhouse is starting on {platform.settings.address}, data in {platform.settings.data_folder}")
            await platform.begin()
            announcing = asyncio.create_task(self._announce(key))
            await self.http.serve_until_ended(self._listener)
            if announcing.done():
                announcing.result()
            announcing.cancel()
        finally:
            await platform.stop()

    async def _announce(self, key: str | None) -> None:
        try:
            await self._platform.warmed_up()
        except Exception as error:
            self.http.end()
            if isinstance(error, PlatformError | OSError):
                raise Refusal(f"the engine did not start: {error}") from error
            raise
        spare_the_standing()
        typer.echo(_welcome(self._platform.settings, key))
        door = self._platform.door
        if not await self._platform.database.read(people.there_is_an_admin):
            token = first_admin_token(door.options.pepper)
            typer.echo(f"Nobody signs in yet. Become administrator: {door.options.public_url}/welcome?token={token}\n")


def _welcome(settings: Settings, key: str | None) -> str:
    """What a newcomer needs: the address, the key, and a call that ends in a picture."""
    url = settings.address
    lines = [f"Ready on {url} (models: {url}/docs)"]
    if key is None:
        key = "YOUR-KEY"
    else:
        lines.append(f"Key of the account {NAME!r} ({CREDITS:,} credits at first; also in {_shown_path(settings)}):")
        lines.append(key)
    call = (
        f"curl -fsS {shlex.quote(f'{url}/api/v1/models/flux/run')} \\",
        f'  -H "Authorization: Bearer {key}" \\',
        '  -H "Content-Type: application/json" -H "Accept: image/png" -H "Prefer: wait=60" \\',
        f"  -d {shlex.quote(json.dumps({'prompt': _PROMPT}))} -o picture.png",
    )
    return "\n".join((*lines, "", *call, ""))


def _shown_path(settings: Settings) -> Path:
    path = settings.data_folder / "demo-key"
    here = Path.cwd()
    return path.relative_to(here) if path.is_relative_to(here) else path

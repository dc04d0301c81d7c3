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
import uvicorn

from fluxhouse.assembly import Platform, assemble, require_engine_packages
from fluxhouse.cli.demo import CREDITS, NAME, demo_key
from fluxhouse.cli.logs import log_by
from fluxhouse.cli.opening import DataFolder, Refusal
from fluxhouse.generation.errors import PlatformError
from fluxhouse.settings import Settings, read_settings

_GRACE_SECONDS = 10  # for answers under way when a signal comes
_KEEP_ALIVE_SECONDS = 30
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
    with _listening(settings) as listener:
        settings = settings.model_copy(update={"port": listener.getsockname()[1]})
        platform = assemble(settings, works=not no_worker)
        if platform.engines:
            require_engine_packages()
        run = _Run(platform, listener, allow_demo_key)
        # Set before uvicorn's own, so that a signal it has seen through does not end us before we have put things away.
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, run.end)
        with asyncio.Runner(loop_factory=run.http.config.get_loop_factory()) as runner:
            runner.run(run.serve())


class _Run:
    """One life of the server."""

    def __init__(self, platform: Platform, listener: socket.socket, allow_demo_key: bool) -> None:
        self._platform = platform
        self._listener = listener
        self._allow_demo_key = allow_demo_key
        self.http = uvicorn.Server(
            uvicorn.Config(
                platform.app,
                http="httptools",
                lifespan="off",
                log_config=None,
                access_log=False,
                server_header=False,
                timeout_keep_alive=_KEEP_ALIVE_SECONDS,
                timeout_graceful_shutdown=_GRACE_SECONDS,
            )
        )

    def end(self, *_signal: object) -> None:
        """Stop listening; what is under way gets its grace."""
        self.http.should_exit = True

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
            await self.http.serve(sockets=[self._listener])
            if announcing.done():
                announcing.result()
            announcing.cancel()
        finally:
            await platform.stop()

    async def _announce(self, key: str | None) -> None:
        try:
            await self._platform.warmed_up()
        except Exception as error:
            self.end()
            if isinstance(error, PlatformError | OSError):
                raise Refusal(f"the engine did not start: {error}") from error
            raise
        typer.echo(_welcome(self._platform.settings, key))


def _listening(settings: Settings) -> socket.socket:
    """A socket that no child process inherits; raises `Refusal` where the address cannot be had."""
    try:
        family = socket.getaddrinfo(settings.host, settings.port, type=socket.SOCK_STREAM)[0][0]
        return socket.create_server((settings.host, settings.port), family=family, backlog=2048)
    except OSError as error:
        raise Refusal(f"cannot listen on {settings.host} port {settings.port}: {error.strerror}") from error


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

"""Listening on an address, and serving there until a signal asks for an orderly end."""

from __future__ import annotations

import asyncio
import gc
import signal
import socket
from collections.abc import Awaitable, Callable
from types import FrameType

import uvicorn
from starlette.types import ASGIApp

from fluxhouse.cli.opening import Refusal
from fluxhouse.cli.protocol import BoundedProtocol

_GRACE_SECONDS = 10  # for answers still under way when nothing works any more
_KEEP_ALIVE_SECONDS = 30
SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Listener(uvicorn.Server):
    """Serves an application; at the first signal it lets `drain` end, still answering, and then closes."""

    def __init__(self, app: ASGIApp, drain: Callable[[], Awaitable[None]]) -> None:
        super().__init__(
            uvicorn.Config(
                app,
                http=BoundedProtocol,
                lifespan="off",
                log_config=None,
                access_log=False,
                server_header=False,
                timeout_keep_alive=_KEEP_ALIVE_SECONDS,
                timeout_graceful_shutdown=_GRACE_SECONDS,
            )
        )
        self._drain = drain
        self._ended = asyncio.Event()
        self._loop: asyncio.AbstractEventLoop | None = None

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:  # noqa: ARG002
        """Called by Python between any two steps when a signal has come; not kept for raising it again."""
        if self._loop is None:
            self._ended.set()
        else:
            self._loop.call_soon_threadsafe(self._ended.set)

    def end(self) -> None:
        """As a signal does."""
        self._ended.set()

    async def ended(self) -> None:
        """Return once the end was asked for."""
        self._loop = asyncio.get_running_loop()
        await self._ended.wait()

    async def serve_until_ended(self, listener: socket.socket) -> None:
        """Answer until the end was asked for and what is under way has been drained."""
        closing = asyncio.create_task(self._close())
        try:
            await self.serve(sockets=[listener])
            if closing.done():
                closing.result()
        finally:
            closing.cancel()
            await asyncio.gather(closing, return_exceptions=True)

    async def _close(self) -> None:
        await self.ended()
        try:
            await self._drain()
        finally:
            self.should_exit = True


def spare_the_standing() -> None:
    """Let the garbage collector pass over what the process has built by now, which stays until its end.

    To walk it all again, some hundred thousand objects, would stop every answer for a tenth of a second.
    """
    gc.collect()
    gc.freeze()


def listen(host: str, port: int) -> socket.socket:
    """A socket that no child process inherits; raises `Refusal` where the address cannot be had."""
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        return socket.create_server((host, port), family=family, backlog=2048)
    except OSError as error:
        raise Refusal(f"cannot listen on {host} port {port}: {error.strerror}") from error

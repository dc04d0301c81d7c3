"""The protocol's one address: lets in who has a key, and loads the protocol's library with the first who does."""

from __future__ import annotations

import asyncio
from importlib import import_module

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route
from starlette.types import ASGIApp, Receive, Scope, Send

from fluxhouse.dialects.dialect import Door, status_of
from fluxhouse.dialects.wire import key_in, retry_header
from fluxhouse.generation.errors import InvalidKey, PlatformError

PATH = "/mcp"
PREFIXES = (PATH,)
_REFUSED = -32600  # JSON-RPC's "invalid request"; what happened is told by the HTTP status and the words


def routes(door: Door) -> list[BaseRoute]:
    """The one route of the dialect, for every method that streamable HTTP knows."""
    return [Route(PATH, endpoint=Gateway(door), methods=["GET", "POST", "DELETE"])]


class Gateway:
    """Checks the key before anything is read, and passes the request on.

    Every call carries its key, so neither `Host` nor `Origin` decides: a page that was led here by a rebound name has
    none. The protocol's library takes most of a second to import; it is loaded with the first call, on a thread.
    """

    def __init__(self, door: Door) -> None:
        self._door = door
        self._loading = asyncio.Lock()
        self._speaking: ASGIApp | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await self._door.authenticate(key_in(Request(scope), "bearer"), None)
        except PlatformError as error:
            await failure(error)(scope, receive, send)
            return
        await (await self._loaded())(scope, receive, send)

    async def _loaded(self) -> ASGIApp:
        async with self._loading:
            if self._speaking is None:
                module = await asyncio.to_thread(import_module, "fluxhouse.dialects.mcp.speaking")
                self._speaking = module.Speaking(self._door)
            return self._speaking


def failure(error: PlatformError) -> Response:
    """An error outside any tool, as JSON-RPC words it."""
    headers = retry_header(error) | ({"WWW-Authenticate": "Bearer"} if isinstance(error, InvalidKey) else {})
    body = {"jsonrpc": "2.0", "id": None, "error": {"code": _REFUSED, "message": f"{error.code}: {error.message}"}}
    return JSONResponse(body, status_of(error), headers)

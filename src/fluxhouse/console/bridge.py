"""Our own native API for who is signed in: the same routes under `/console`, by cookie instead of key."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.types import Receive, Scope, Send

from fluxhouse.console.desk import Desk
from fluxhouse.console.visitors import FormRefused, SignInNeeded, Visitors
from fluxhouse.core import keys
from fluxhouse.core.sessions import Session

PREFIX = "/console"
_SAFE = frozenset({"GET", "HEAD"})
_DROPPED = frozenset({b"authorization", b"cookie", b"origin"})


class Bridge:
    """Passes a request on to the API with the account's console key in place of the cookie.

    A key sent by the caller is refused: cookie and key never mix. What changes anything needs the form's token.
    """

    def __init__(self, desk: Desk, visitors: Visitors) -> None:
        self._desk = desk
        self._visitors = visitors

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        try:
            session = await self._admitted(request)
        except SignInNeeded:
            await _refused(401, "sign_in_needed", "Sign in again.")(scope, receive, send)
            return
        except FormRefused as error:
            await _refused(403, error.code, error.message)(scope, receive, send)
            return
        now = self._desk.clock.now()
        key = await self._desk.database.write(
            lambda connection: keys.console_key(connection, session.person.account_id, self._desk.pepper, now)
        )
        await self._desk.api(_inner(scope, key), receive, send)

    async def _admitted(self, request: Request) -> Session:
        if "authorization" in request.headers:
            raise FormRefused("This address takes no API key; the API is under /api.")
        if request.method in _SAFE:
            return await self._visitors.require(request)
        return await self._visitors.require_form(request)


def _inner(scope: Scope, key: str) -> Scope:
    """The same request as the API would have had it."""
    path = scope["path"].removeprefix(PREFIX)
    headers = [(name, value) for name, value in scope["headers"] if name not in _DROPPED]
    return {
        **{name: value for name, value in scope.items() if name not in ("route", "endpoint", "path_params", "router")},
        "path": path,
        "raw_path": path.encode(),
        "root_path": "",
        "headers": [*headers, (b"authorization", f"Bearer {key}".encode())],
        "state": {},
    }


def _refused(status: int, code: str, message: str) -> Response:
    return JSONResponse({"error": {"code": code, "message": message, "status": status}}, status)

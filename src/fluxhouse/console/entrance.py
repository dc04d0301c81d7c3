"""The way in: attempts counted, passwords checked slowly and few at once, sessions begun."""

from __future__ import annotations

import asyncio
from typing import Final

from sqlalchemy import Connection
from starlette.datastructures import FormData
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from fluxhouse.console.desk import Desk
from fluxhouse.console.rendering import Renderer
from fluxhouse.console.visitors import Visitors
from fluxhouse.core import attempts, people, sessions
from fluxhouse.core.people import Person
from fluxhouse.generation.errors import PlatformError

HOME = "/models"
_TRIES_PER_ADDRESS, _TRIES_PER_HOST = 10, 50
_AT_ONCE: Final = 2
"""Passwords digested at the same time: each takes 64 MiB and a core for a moment."""


class Entrance:
    """What signing in and joining have in common."""

    def __init__(self, desk: Desk, visitors: Visitors, renderer: Renderer) -> None:
        self.desk = desk
        self.visitors = visitors
        self._renderer = renderer
        self._digesting = asyncio.Semaphore(_AT_ONCE)

    async def fits(self, digest: str | None, password: str) -> bool:
        """Whether that is the password; as slow where nobody has the address."""
        async with self._digesting:
            return await asyncio.to_thread(people.password_fits, digest, password)

    async def digest(self, password: str) -> str:
        """What is kept of a new password; raises `InvalidParameter`."""
        async with self._digesting:
            return await asyncio.to_thread(people.digest_password, password)

    async def begin(self, request: Request, person: Person, where: str) -> Response:
        """A new session in place of the one before, if any, and the way to `where`."""
        before, now = request.cookies.get(self.visitors.cookie), self.desk.clock.now()

        def renew(connection: Connection) -> str:
            attempts.clear(connection, "address", person.address)
            if before:
                sessions.end(connection, before)
            return sessions.begin(connection, person, now)

        response = RedirectResponse(where, 303)
        self.visitors.keep(response, await self.desk.database.write(renew))
        return response

    async def count(self, request: Request, address: str) -> None:
        """Count an attempt by address and by host; raises `RateLimited`."""
        host = request.client.host if request.client else ""
        await self.desk.count_attempts(
            ("host", host, _TRIES_PER_HOST), ("address", address.strip().lower(), _TRIES_PER_ADDRESS)
        )

    async def form(
        self,
        request: Request,
        template: str,
        status: int = 200,
        *,
        address: str = "",
        error: PlatformError | None = None,
    ) -> Response:
        """The page with the form as it was filled in, and what is wrong with it."""
        form = await request.form() if request.method == "POST" else request.query_params
        facts = {name: form.get(name, "") for name in ("next", "again", "token")}
        return await self._renderer.page(request, template, status, address=address, error=error, **facts)


def text_of(form: FormData, name: str) -> str:
    """A field's text, without NUL characters, which no database keeps; nothing where a file was sent in its place."""
    value = form.get(name)
    return value.replace("\0", "") if isinstance(value, str) else ""

"""The page of a person's own sign-in: a new password, and everywhere that the person is signed in."""

from __future__ import annotations

from sqlalchemy import Connection
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import BaseRoute, Route

from fluxhouse.console.entrance import Entrance, text_of
from fluxhouse.console.rendering import Renderer
from fluxhouse.core import audit, people, sessions
from fluxhouse.core.sessions import Session
from fluxhouse.generation.errors import InvalidParameter, PlatformError, RateLimited


class People:
    """The pages under `/account`."""

    def __init__(self, entrance: Entrance, renderer: Renderer) -> None:
        self._entrance = entrance
        self._renderer = renderer

    def routes(self) -> list[BaseRoute]:
        """The addresses of these pages."""
        return [
            Route("/account", self.overview, methods=["GET"]),
            Route("/account/password", self.change_password, methods=["POST"]),
            Route("/account/sessions", self.end_sessions, methods=["POST"]),
        ]

    async def overview(self, request: Request) -> Response:
        """Who this is, and where else."""
        return await self._page(request, await self._entrance.visitors.require(request))

    async def change_password(self, request: Request) -> Response:
        """A new password for who knows the old one; every other session ends."""
        session = await self._entrance.visitors.require_form(request)
        form, address = await request.form(), session.person.address
        try:
            await self._entrance.count(request, address)
            digest = await self._proven(address, text_of(form, "old"), text_of(form, "password"))
        except (InvalidParameter, RateLimited) as error:
            return await self._page(request, session, 429 if isinstance(error, RateLimited) else 400, error)
        now = self._entrance.desk.clock.now()

        def verb(connection: Connection) -> None:
            people.set_password(connection, session.person.id, digest)
            sessions.end_all(connection, session.person.id, but=session.token)
            audit.note(connection, address, "people.password", address, now)

        await self._entrance.desk.database.write(verb)
        return await self._entrance.begin(request, session.person, "/account?done=password")

    async def end_sessions(self, request: Request) -> Response:
        """Sign out in one other place, or in all of them."""
        session = await self._entrance.visitors.require_form(request)
        named, now = text_of(await request.form(), "seat"), self._entrance.desk.clock.now()

        def verb(connection: Connection) -> None:
            if named == "all":
                sessions.end_all(connection, session.person.id, but=session.token)
            else:
                sessions.end_seat(connection, session.person.id, named)
            audit.note(connection, session.person.address, "people.sign_out", session.person.address, now)

        await self._entrance.desk.database.write(verb)
        return RedirectResponse("/account?done=sessions", 303)

    async def _proven(self, address: str, old: str, new: str) -> str:
        """The digest of the new password, where the old one is right; raises `InvalidParameter`."""
        found = await self._entrance.desk.database.read(lambda connection: people.by_address(connection, address))
        if not await self._entrance.fits(found[1] if found else None, old):
            raise InvalidParameter("this is not your present password", field="old")
        return await self._entrance.digest(new)

    async def _page(
        self, request: Request, session: Session, status: int = 200, error: PlatformError | None = None
    ) -> Response:
        now = self._entrance.desk.clock.now()
        seats = await self._entrance.desk.database.read(lambda connection: sessions.seats(connection, session, now))
        done = request.query_params.get("done", "")
        return await self._renderer.page(request, "account.html", status, seats=seats, error=error, done=done)

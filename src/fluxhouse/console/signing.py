"""Signing in and out, and the choice of light or dark."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import BaseRoute, Route

from fluxhouse.console.entrance import HOME, Entrance, text_of
from fluxhouse.console.rendering import THEME_COOKIE, THEMES
from fluxhouse.console.visitors import local_path
from fluxhouse.core import people, sessions
from fluxhouse.generation.errors import InvalidParameter, RateLimited


class Signing:
    """The pages around a session."""

    def __init__(self, entrance: Entrance) -> None:
        self._entrance = entrance

    def routes(self) -> list[BaseRoute]:
        """The addresses of these pages."""
        return [
            Route("/sign-in", self.sign_in_page, methods=["GET"]),
            Route("/sign-in", self.sign_in, methods=["POST"]),
            Route("/sign-out", self.sign_out, methods=["POST"]),
            Route("/theme", self.theme, methods=["POST"]),
        ]

    async def sign_in_page(self, request: Request) -> Response:
        """The form; `again` where the password is asked once more."""
        session = await self._entrance.visitors.find(request)
        address = session.person.address if session is not None else ""
        return await self._entrance.form(request, "sign_in.html", address=address)

    async def sign_in(self, request: Request) -> Response:
        """Check the password, slowly and not too often, and begin a session."""
        self._entrance.visitors.require_origin(request)
        form = await request.form()
        address, password = text_of(form, "address").strip().lower(), text_of(form, "password")
        try:
            await self._entrance.count(request, address)
        except RateLimited as error:
            return await self._entrance.form(request, "sign_in.html", 429, address=address, error=error)
        found = await self._entrance.desk.database.read(lambda connection: people.by_address(connection, address))
        person, digest = found if found is not None else (None, None)
        if not await self._entrance.fits(digest, password) or person is None:
            wrong = InvalidParameter("this address and this password do not go together", field="password")
            return await self._entrance.form(request, "sign_in.html", 403, address=address, error=wrong)
        return await self._entrance.begin(request, person, local_path(text_of(form, "next"), HOME))

    async def sign_out(self, request: Request) -> Response:
        """End this session."""
        session = await self._entrance.visitors.require_form(request)
        await self._entrance.desk.database.write(lambda connection: sessions.end(connection, session.token))
        response = RedirectResponse("/", 303)
        self._entrance.visitors.forget(response)
        return response

    async def theme(self, request: Request) -> Response:
        """Keep light, dark or as the system has it, in a cookie of its own."""
        self._entrance.visitors.require_origin(request)
        form = await request.form()
        chosen = text_of(form, "theme")
        response = RedirectResponse(local_path(text_of(form, "back"), HOME), 303)
        if chosen in THEMES:
            response.set_cookie(
                THEME_COOKIE,
                chosen,
                max_age=365 * 86400,
                path="/",
                secure=self._entrance.desk.is_secure,
                samesite="lax",
            )
        return response

"""Joining: strangers who make an account, and the first administrator."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable
from datetime import datetime

from sqlalchemy import Connection
from sqlalchemy.exc import IntegrityError
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from fluxhouse.console.entrance import HOME, Entrance, text_of
from fluxhouse.core import accounts, audit, people
from fluxhouse.core.people import Person, Role
from fluxhouse.generation.errors import InvalidParameter, NotFound, RateLimited

_Join = Callable[[Connection, str, str, datetime], Person]


def first_admin_token(pepper: bytes) -> str:
    """What opens `/welcome` as long as there is no administrator; printed at the operator's terminal alone."""
    return hmac.new(pepper, b"first administrator", hashlib.sha256).hexdigest()[:32]


class Joining:
    """The pages by which somebody becomes known here."""

    def __init__(self, entrance: Entrance) -> None:
        self._entrance = entrance

    def routes(self) -> list[BaseRoute]:
        """The addresses of these pages."""
        return [
            Route("/sign-up", self.sign_up_page, methods=["GET"]),
            Route("/sign-up", self.sign_up, methods=["POST"]),
            Route("/welcome", self.welcome_page, methods=["GET"]),
            Route("/welcome", self.welcome, methods=["POST"]),
        ]

    async def sign_up_page(self, request: Request) -> Response:
        """The form, where strangers may make an account."""
        self._require_sign_up()
        return await self._entrance.form(request, "sign_up.html")

    async def sign_up(self, request: Request) -> Response:
        """A new account, named like the address, without credits, and a session for it."""
        self._require_sign_up()

        def join(connection: Connection, address: str, digest: str, now: datetime) -> Person:
            try:
                account = accounts.create(connection, address, now)
            except ValueError as error:
                raise InvalidParameter(str(error), field="address") from None
            person = people.create(connection, account.id, address, digest, Role.MEMBER, now)
            audit.note(connection, address, "people.sign_up", address, now)
            return person

        return await self._join(request, "sign_up.html", join)

    async def welcome_page(self, request: Request) -> Response:
        """The form of the first administrator."""
        await self._require_first(request.query_params.get("token", ""))
        return await self._entrance.form(request, "welcome.html")

    async def welcome(self, request: Request) -> Response:
        """The first administrator, of the account that there is or of a new one."""
        form = await request.form()
        await self._require_first(text_of(form, "token"))

        def join(connection: Connection, address: str, digest: str, now: datetime) -> Person:
            if people.there_is_an_admin(connection):
                raise NotFound
            # The one account that nobody signs in to, such as the demo's; never one that somebody else has.
            free = [one for one in accounts.everyone(connection) if not people.of_account(connection, one.id)]
            account = free[0] if len(free) == 1 else accounts.create(connection, address, now)
            person = people.create(connection, account.id, address, digest, Role.ADMIN, now)
            audit.note(connection, address, "people.first_admin", address, now)
            return person

        return await self._join(request, "welcome.html", join)

    async def _join(self, request: Request, template: str, join: _Join) -> Response:
        """Make the person that a form describes, and begin a session; the form again where something is wrong."""
        self._entrance.visitors.require_origin(request)
        form = await request.form()
        address, password = text_of(form, "address"), text_of(form, "password")
        now = self._entrance.desk.clock.now()
        try:
            await self._entrance.count(request, address)
            normal = people.normal_address(address)
            digest = await self._entrance.digest(password)
            person = await self._entrance.desk.database.write(lambda connection: join(connection, normal, digest, now))
        except IntegrityError:
            taken = InvalidParameter("somebody has this address already", field="address")
            return await self._entrance.form(request, template, 400, address=address, error=taken)
        except (InvalidParameter, RateLimited) as error:
            status = 429 if isinstance(error, RateLimited) else 400
            return await self._entrance.form(request, template, status, address=address, error=error)
        return await self._entrance.begin(request, person, HOME)

    def _require_sign_up(self) -> None:
        if not self._entrance.desk.sign_up:
            raise NotFound("accounts are made by the operator here")

    async def _require_first(self, token: str) -> None:
        known = hmac.compare_digest(token.encode(), first_admin_token(self._entrance.desk.pepper).encode())
        if not known or await self._entrance.desk.database.read(people.there_is_an_admin):
            raise NotFound

"""The console's addresses: pages for people, drawn by the server, and how their errors look."""

from __future__ import annotations

import re
from collections.abc import Sequence

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import BaseRoute, Mount, Route

from fluxhouse.console.admin import Admin
from fluxhouse.console.admin_accounts import AdminAccounts
from fluxhouse.console.admin_models import AdminModels
from fluxhouse.console.assets import Assets
from fluxhouse.console.bridge import PREFIX, Bridge
from fluxhouse.console.cashier import CheckoutUnavailable
from fluxhouse.console.checkout import WEBHOOK, Checkout
from fluxhouse.console.credits import Credits
from fluxhouse.console.desk import Desk
from fluxhouse.console.entrance import HOME, Entrance
from fluxhouse.console.gallery import Gallery
from fluxhouse.console.job_pages import JobPages
from fluxhouse.console.joining import Joining
from fluxhouse.console.keys import Keys
from fluxhouse.console.office import Office
from fluxhouse.console.pages import Pages
from fluxhouse.console.people import People
from fluxhouse.console.playground import Playground
from fluxhouse.console.rendering import Renderer
from fluxhouse.console.signing import Signing
from fluxhouse.console.sized import Sized
from fluxhouse.console.usage import Usage
from fluxhouse.console.visitors import SignInNeeded, Visitors
from fluxhouse.generation import errors
from fluxhouse.generation.errors import PlatformError

# Where people look and no API answers: never shared with other origins. Below `/models/x/` a dialect answers.
_PATHS = re.compile(
    r"/(|docs|models|playground|gallery|keys|usage|credits|account|admin|sign-in|sign-up|sign-out|welcome|theme)"
    r"|/models/[^/]+|/(docs|static|playground|gallery|keys|usage|credits|account|admin|console)/.*"
)

_STATUSES: tuple[tuple[type[PlatformError], int, str], ...] = (
    (errors.AccessDenied, 403, "Not for you"),
    (errors.NotFound, 404, "Nothing here"),
    (errors.Gone, 410, "No longer here"),
    (errors.RateLimited, 429, "Too many attempts"),
    (errors.Conflict, 409, "Already done"),
    (errors.RequestRejected, 400, "That did not work"),
    (errors.InsufficientCredits, 402, "Not enough credits"),
    (errors.DatabaseUnavailable, 503, "Try again in a moment"),
    (CheckoutUnavailable, 503, "No payment now"),
)


def is_page(path: str) -> bool:
    """Whether the console answers there."""
    return _PATHS.fullmatch(path) is not None


class Console:
    """The console of one installation."""

    def __init__(self, desk: Desk) -> None:
        self._assets = Assets()
        self._visitors = Visitors(desk)
        self._renderer = Renderer(desk, self._visitors, self._assets)
        self._desk = desk

    def routes(self) -> Sequence[BaseRoute]:
        """Every address of the console."""
        desk = self._desk
        entrance = Entrance(desk, self._visitors, self._renderer)
        office = Office(desk, self._visitors, self._renderer)
        checkout = () if desk.cashier is None else Checkout(desk, self._visitors, desk.cashier).routes()
        routes: list[BaseRoute] = [
            Route("/", _home, methods=["GET"]),
            Route("/static/{version}/{path:path}", self._assets.answer, methods=["GET"]),
            *Signing(entrance).routes(),
            *Joining(entrance).routes(),
            *Keys(desk, self._visitors, self._renderer).routes(),
            *Credits(desk, self._visitors, self._renderer).routes(),
            *checkout,
            *Usage(desk, self._visitors, self._renderer).routes(),
            *Gallery(desk, self._visitors, self._renderer).routes(),
            *JobPages(desk, self._visitors, self._renderer).routes(),
            *People(entrance, self._renderer).routes(),
            *Admin(office).routes(),
            *AdminAccounts(office, entrance).routes(),
            *AdminModels(office).routes(),
            *Pages(desk, self._renderer).routes(),
            *Playground(desk, self._visitors, self._renderer).routes(),
            Mount(PREFIX, app=Bridge(desk, self._visitors)),
        ]
        for route in routes:
            if isinstance(route, Route) and route.path != WEBHOOK:
                route.app = Sized(route.app)
        return routes

    async def failure(self, request: Request, error: Exception) -> Response:
        """What went wrong, as a page; strangers are sent to sign in."""
        if isinstance(error, SignInNeeded):
            return error.answer()
        if isinstance(error, HTTPException):
            return await self._renderer.failure(request, error.status_code, "Nothing here", f"{error.detail}.")
        for kind, status, title in _STATUSES:
            if isinstance(error, kind):
                return await self._renderer.failure(request, status, title, str(error))
        return await self._renderer.failure(request, 500, "Something broke", "It is our fault, and noted.")


async def _home(_request: Request) -> Response:
    return RedirectResponse(HOME, 303)

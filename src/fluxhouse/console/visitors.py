"""Who looks at a page: the session behind the cookie, and whether a form was sent by a page of ours."""

from __future__ import annotations

import hmac
from urllib.parse import SplitResult, quote, urlsplit

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from fluxhouse.console.desk import Desk
from fluxhouse.core import sessions
from fluxhouse.core.sessions import Session
from fluxhouse.generation.errors import AccessDenied

FORM_TOKEN = "form_token"
FORM_HEADER = "x-form-token"
SIGN_IN = "/sign-in"


class SignInNeeded(Exception):
    """The page is for people who are signed in; `fresh` where the password must have been given just now."""

    def __init__(self, request: Request, *, fresh: bool = False) -> None:
        where = request.url.path if request.method in ("GET", "HEAD") else (request.headers.get("referer") or "/")
        self.back = local_path(_split(where).path)
        self.fresh = fresh

    def answer(self) -> Response:
        """To the sign-in page, and from there back."""
        again = "again=1&" if self.fresh else ""
        return RedirectResponse(f"{SIGN_IN}?{again}next={quote(self.back)}", 303)


class FormRefused(AccessDenied):
    """This form was not sent by a page of this console; go back, reload the page and send it again."""

    code = "form_refused"


class AdminOnly(AccessDenied):
    """Only an administrator of this installation may see this."""

    code = "admin_only"


class Visitors:
    """Finds sessions and guards forms."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        # `__Host-` binds a cookie to this host and to https; over plain http browsers refuse it.
        self.cookie = "__Host-fluxhouse" if desk.is_secure else "fluxhouse"

    async def find(self, request: Request) -> Session | None:
        """The session of this request, found once; None for a stranger."""
        if not hasattr(request.state, "session"):
            request.state.session = await self._find(request)
        session: Session | None = request.state.session
        return session

    async def _find(self, request: Request) -> Session | None:
        token = request.cookies.get(self.cookie)
        if not token or len(token) > 200:
            return None
        now = self._desk.clock.now()
        session = await self._desk.database.read(lambda connection: sessions.find(connection, token, now))
        if session is not None and session.wants_touch(now):
            await self._desk.database.write(lambda connection: sessions.touch(connection, token, now))
        return session

    async def require(self, request: Request, *, fresh: bool = False) -> Session:
        """The session; raises `SignInNeeded` without one, or where it is not `fresh`."""
        session = await self.find(request)
        if session is None:
            raise SignInNeeded(request)
        if fresh and not session.is_fresh(self._desk.clock.now()):
            raise SignInNeeded(request, fresh=True)
        return session

    async def require_admin(self, request: Request, *, fresh: bool = False) -> Session:
        """The session of an administrator; raises `AdminOnly` for anybody else who is signed in."""
        session = await self.require(request, fresh=fresh)
        if not session.person.is_admin:
            raise AdminOnly
        return session

    async def require_form(self, request: Request, *, fresh: bool = False) -> Session:
        """The session that sent this form; raises `FormRefused` where another site may have made it."""
        self.require_origin(request)
        session = await self.require(request, fresh=fresh)
        sent = request.headers.get(FORM_HEADER) or (await request.form()).get(FORM_TOKEN) or ""
        if not isinstance(sent, str) or not hmac.compare_digest(
            sent.encode(errors="replace"), session.form_token(self._desk.pepper).encode()
        ):
            raise FormRefused
        return session

    def require_origin(self, request: Request) -> None:
        """Raise `FormRefused` unless the browser says that a page of this host sent it.

        `Sec-Fetch-Site` decides where it is sent; on plain http browsers send `Origin` alone. A request with neither
        comes from no browser that could be led astray, nor from one that we can trust.
        """
        site, origin = request.headers.get("sec-fetch-site"), request.headers.get("origin")
        if site is not None:
            allowed = site in ("same-origin", "none")
        else:
            ours = {urlsplit(self._desk.public_url).netloc, request.headers.get("host", "")}
            allowed = origin is not None and _split(origin).netloc in ours
        if not allowed:
            raise FormRefused

    def keep(self, response: Response, token: str) -> None:
        """Give the browser the session's cookie."""
        response.set_cookie(
            self.cookie,
            token,
            max_age=int(sessions.LIFETIME.total_seconds()),
            path="/",
            secure=self._desk.is_secure,
            httponly=True,
            samesite="lax",
        )

    def forget(self, response: Response) -> None:
        """Take the cookie back, and what the browser kept of pages."""
        response.delete_cookie(self.cookie, path="/", secure=self._desk.is_secure, httponly=True, samesite="lax")
        response.headers["Clear-Site-Data"] = '"cache", "storage"'


def _split(address: str) -> SplitResult:
    """The parts of an address that a browser sent; of what is none, nothing."""
    try:
        return urlsplit(address)
    except ValueError:
        return SplitResult("", "", "", "", "")


def local_path(text: str | None, otherwise: str = "/") -> str:
    """A path of this host to go to; anything else becomes `otherwise`, so that no link of ours leads away."""
    if not text or not text.startswith("/") or text.startswith(("//", "/\\")) or any(ord(c) < 32 for c in text):
        return otherwise
    return text

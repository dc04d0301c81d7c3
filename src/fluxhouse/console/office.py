"""What all pages of administrators have in common: who may, why something is done, and the note of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection
from starlette.datastructures import FormData
from starlette.requests import Request
from starlette.responses import Response

from fluxhouse.console.desk import Desk
from fluxhouse.console.entrance import text_of
from fluxhouse.console.rendering import Renderer
from fluxhouse.console.visitors import AdminOnly, Visitors
from fluxhouse.core import audit
from fluxhouse.core.sessions import Session
from fluxhouse.generation.credits import to_micro
from fluxhouse.generation.errors import InvalidParameter

_LONGEST_REASON = 200


@dataclass(frozen=True, slots=True)
class Deed:
    """What an administrator sent: by a form, at a moment, for the reason `why`."""

    session: Session
    form: FormData
    why: str
    now: datetime

    def text(self, name: str) -> str:
        """A field's text without the blanks around it."""
        return text_of(self.form, name).strip()

    def number(self, name: str) -> int:
        """A whole number of few digits; raises `InvalidParameter`."""
        text = self.text(name)
        if not (text.isascii() and text.isdigit() and len(text) < 10):
            raise InvalidParameter(f"`{name}` must be a whole number", field=name)
        return int(text)

    def amount_micro(self, name: str) -> int:
        """Micro-credits, from credits; raises `InvalidParameter`."""
        try:
            return to_micro(self.text(name))
        except ValueError:
            message = f"`{name}` must be a number of credits with at most six decimals"
            raise InvalidParameter(message, field=name) from None

    def note(self, connection: Connection, action: str, subject: str, **facts: str | int | bool | None) -> None:
        """Write down who does it, when and why."""
        audit.note(connection, self.session.person.address, action, subject, self.now, why=self.why, **facts)


class Office:
    """Lets administrators in and has their deeds done."""

    def __init__(self, desk: Desk, visitors: Visitors, renderer: Renderer) -> None:
        self.desk = desk
        self._visitors = visitors
        self._renderer = renderer

    async def page(
        self, request: Request, template: str, status: int = 200, *, error: InvalidParameter | None = None, **facts: Any
    ) -> Response:
        """A page for administrators; after an `error` with the fields as they were filled in.

        Forms are shown only where the password was given just now: `fresh`.
        """
        session, now = await self._visitors.require_admin(request), self.desk.clock.now()
        typed = {name: str(value) for name, value in (await request.form()).items()} if error else {}
        facts |= {"typed": typed, "error": error, "fresh": session.is_fresh(now), "now": now}
        return await self._renderer.page(request, template, status, **facts)

    async def admit(self, request: Request) -> Session:
        """The session of the administrator who asks; raises `AdminOnly` for anybody else who is signed in."""
        return await self._visitors.require_admin(request)

    async def deed(self, request: Request) -> Deed:
        """What is to be done; raises `FormRefused`, `SignInNeeded` or `AdminOnly`."""
        session = await self._visitors.require_form(request, fresh=True)
        if not session.person.is_admin:
            raise AdminOnly
        form = await request.form()
        return Deed(session, form, text_of(form, "why").strip(), self.desk.clock.now())

    async def carry_out(self, deed: Deed, verb: Callable[[Connection], None]) -> None:
        """Do it in one transaction; raises `InvalidParameter`, also where nobody says why."""
        if not 0 < len(deed.why) <= _LONGEST_REASON:
            raise InvalidParameter(f"say why, in 1 to {_LONGEST_REASON} characters", field="why")
        await self.desk.database.write(verb)

"""The pages of API keys: what there are, a new one, which is shown once, other limits, rolling and revoking."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from secrets import token_hex
from typing import Any

from sqlalchemy import Connection
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import BaseRoute, Route

from fluxhouse.console.desk import Desk
from fluxhouse.console.entrance import text_of
from fluxhouse.console.key_form import EXPIRIES, KeyForm
from fluxhouse.console.rendering import Renderer
from fluxhouse.console.visitors import Visitors
from fluxhouse.core import attempts, audit
from fluxhouse.core import keys as key_noun
from fluxhouse.core.keys import Key, Limits
from fluxhouse.core.sessions import Session
from fluxhouse.generation.errors import InvalidParameter, NotFound, RateLimited

# How long the old key still works beside the new one, by what the form says.
ROLLS = {"0": "at once", "1": "in an hour", "24": "in 24 hours", "168": "in 7 days"}
_RECENT = timedelta(hours=24)
_NO_STORE = "no-store"


class UnknownKey(NotFound):
    """There is no such key, or it belongs to another account."""

    code = "unknown_key"


@dataclass(frozen=True, slots=True)
class _New:
    """A key to be made: for whom, called what, allowed what, and in place of which one."""

    session: Session
    label: str
    limits: Limits
    nonce: str
    rolled: Key | None = None
    old_ends: datetime | None = None


class Keys:
    """The pages under `/keys`."""

    def __init__(self, desk: Desk, visitors: Visitors, renderer: Renderer) -> None:
        self._desk = desk
        self._visitors = visitors
        self._renderer = renderer

    def routes(self) -> list[BaseRoute]:
        """The addresses of these pages."""
        return [
            Route("/keys", self.overview, methods=["GET"]),
            Route("/keys", self.create, methods=["POST"]),
            Route("/keys/new", self.new, methods=["GET"]),
            Route("/keys/{key}", self.one, methods=["GET"]),
            Route("/keys/{key}", self.change, methods=["POST"]),
            Route("/keys/{key}/roll", self.roll, methods=["POST"]),
            Route("/keys/{key}/revoke", self.revoke, methods=["POST"]),
        ]

    async def overview(self, request: Request) -> Response:
        """Every key of the account but the console's own, those in force first."""
        session, now = await self._visitors.require(request), self._desk.clock.now()
        mine = await self._desk.database.read(
            lambda connection: key_noun.of_account(connection, session.person.account_id)
        )
        console = key_noun.console_key_id(session.person.account_id, self._desk.pepper)
        shown = [key for key in reversed(mine) if key.id != console]
        shown.sort(key=lambda key: state_of(key, now) != "in force")
        return await self._renderer.page(request, "keys.html", keys=shown, states=_states(shown, now))

    async def new(self, request: Request) -> Response:
        """The form; the password is asked before it is filled in, not after."""
        await self._visitors.require(request, fresh=True)
        return await self._form(request, KeyForm())

    async def create(self, request: Request) -> Response:
        """A new key, shown on the page that answers and never again."""
        session = await self._visitors.require_form(request, fresh=True)
        form = await request.form()
        typed = KeyForm.typed(form)
        try:
            limits = typed.limits(self._models(), self._desk.clock.now())
        except InvalidParameter as error:
            return await self._form(request, typed, 400, error=error)
        return await self._made(request, _New(session, typed.label, limits, text_of(form, "nonce")))

    async def one(self, request: Request) -> Response:
        """One key: its limits to change, rolling it, revoking it."""
        session = await self._visitors.require(request)
        key = await self._key(request, session)
        return await self._form(request, KeyForm.of(key), key=key)

    async def change(self, request: Request) -> Response:
        """Other limits, from the next call."""
        session = await self._visitors.require_form(request, fresh=True)
        key, typed, now = await self._in_force(request, session), KeyForm.typed(await request.form()), self._now()
        try:
            limits = typed.limits(self._models(), now)
        except InvalidParameter as error:
            return await self._form(request, typed, 400, key=key, error=error)

        def changed(connection: Connection) -> None:
            key_noun.change(connection, key.id, typed.label, limits)
            audit.note(connection, session.person.address, "keys.change", key.id, now)

        await self._desk.database.write(changed)
        return RedirectResponse("/keys", 303)

    async def roll(self, request: Request) -> Response:
        """A new key with the same limits, and of its cap what is left; the old one ends a little later."""
        session = await self._visitors.require_form(request, fresh=True)
        key, form = await self._in_force(request, session), await request.form()
        hours = text_of(form, "ends")
        if hours not in ROLLS:
            error = InvalidParameter("choose when the old key ends", field="ends")
            return await self._form(request, KeyForm.of(key), 400, key=key, error=error)
        left = None if key.spend_cap_micro is None else max(0, key.spend_cap_micro - key.spent_micro)
        limits = Limits(key.scopes, key.models, key.expires_at, left, key.rate_per_minute)
        old_ends = self._now() + timedelta(hours=int(hours))
        return await self._made(request, _New(session, key.label, limits, text_of(form, "nonce"), key, old_ends))

    async def revoke(self, request: Request) -> Response:
        """Make a key useless at once; where it was used lately, its name must be typed."""
        session = await self._visitors.require_form(request, fresh=True)
        key, now = await self._in_force(request, session), self._now()
        if is_in_use(key, now) and text_of(await request.form(), "name").strip() != key.label:
            error = InvalidParameter("type the key's name to revoke it: it was used in the last 24 hours", field="name")
            return await self._form(request, KeyForm.of(key), 400, key=key, error=error)

        def revoked(connection: Connection) -> None:
            if key_noun.revoke(connection, key.id, now):
                audit.note(connection, session.person.address, "keys.revoke", key.id, now)

        await self._desk.database.write(revoked)
        return RedirectResponse("/keys", 303)

    async def _made(self, request: Request, new: _New) -> Response:
        try:
            key, text = await self._desk.database.write(
                lambda connection: _issue(connection, new, self._desk.pepper, self._now())
            )
        except RateLimited:
            return await self._renderer.page(
                request, "key_made.html", 409, key=None, text="", rolled=None, old_ends=None
            )
        answer = await self._renderer.page(
            request, "key_made.html", script="keys", key=key, text=text, rolled=new.rolled, old_ends=new.old_ends
        )
        answer.headers["Cache-Control"] = _NO_STORE
        return answer

    async def _form(
        self,
        request: Request,
        typed: KeyForm,
        status: int = 200,
        *,
        key: Key | None = None,
        error: InvalidParameter | None = None,
    ) -> Response:
        facts: dict[str, Any] = {"typed": typed, "error": error, "key": key, "expiries": EXPIRIES, "rolls": ROLLS}
        if key is not None:
            facts |= {"state": state_of(key, self._now()), "in_use": is_in_use(key, self._now())}
        return await self._renderer.page(
            request, "key.html", status, models=self._models(), nonce=token_hex(16), **facts
        )

    async def _key(self, request: Request, session: Session) -> Key:
        """The account's own key by its public id; the console's is nobody's to change."""
        key_id, account_id = request.path_params["key"], session.person.account_id
        key = await self._desk.database.read(lambda connection: key_noun.owned(connection, key_id, account_id))
        if key is None or key.id == key_noun.console_key_id(account_id, self._desk.pepper):
            raise UnknownKey
        return key

    async def _in_force(self, request: Request, session: Session) -> Key:
        key = await self._key(request, session)
        if state_of(key, self._now()) != "in force":
            raise UnknownKey("this key has ended: it can be neither changed nor revoked")
        return key

    def _models(self) -> list[str]:
        return [model.id for model in self._desk.catalog.models]

    def _now(self) -> datetime:
        return self._desk.clock.now()


def _issue(connection: Connection, new: _New, pepper: bytes, now: datetime) -> tuple[Key, str]:
    """The key, once for each form: sending the same one again by a reload makes no second."""
    account_id = new.session.person.account_id
    attempts.count(connection, "key form", f"{account_id}:{new.nonce[:64]}", 1, now)
    made = key_noun.issue(connection, account_id, pepper, now, new.label, new.limits)
    action, old = "keys.create", None
    if new.rolled is not None and new.old_ends is not None:
        action, old = "keys.roll", new.rolled.id
        key_noun.end_at(connection, old, new.old_ends)
    audit.note(connection, new.session.person.address, action, made[0].id, now, old=old)
    return made


def state_of(key: Key, now: datetime) -> str:
    """In force, revoked or expired."""
    if key.revoked_at is not None:
        return "revoked"
    return "expired" if key.expires_at is not None and key.expires_at <= now else "in force"


def is_in_use(key: Key, now: datetime) -> bool:
    """Whether something may depend on the key."""
    return key.last_used_at is not None and now - key.last_used_at < _RECENT


def _states(keys: list[Key], now: datetime) -> dict[str, str]:
    return {key.id: state_of(key, now) for key in keys}

"""The page of credits: balance, how long it lasts, vouchers, and every line of the ledger."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import BaseRoute, Route

from fluxhouse.catalog.model import Model
from fluxhouse.console.desk import Desk
from fluxhouse.console.entrance import text_of
from fluxhouse.console.queries import number_in
from fluxhouse.console.rendering import Renderer
from fluxhouse.console.visitors import Visitors
from fluxhouse.core import accounts, attempts, audit, ledger, payments, usage, vouchers
from fluxhouse.core.ledger import Balance, Entry
from fluxhouse.core.payments import PaymentOrder
from fluxhouse.core.sessions import Session
from fluxhouse.generation.errors import InvalidParameter, PlatformError, RateLimited

LINES = 50
_WEEK = 7  # days
_TRIES = 10
_LONGEST_CODE = 100  # characters


@dataclass(frozen=True, slots=True)
class Purse:
    """What an account has, what it spent in the last seven days, and a page of its ledger."""

    balance: Balance
    week_micro: int
    lines: list[Entry]
    older: int | None

    @property
    def is_low(self) -> bool:
        """Whether nothing is left, or less than a week more at the pace of the last one."""
        return self.balance.available_micro < max(1, self.week_micro)

    @property
    def days_left(self) -> int | None:
        """How many days the credits last at that pace; None where nothing was spent."""
        return None if not self.week_micro else self.balance.available_micro * _WEEK // self.week_micro


class Credits:
    """The pages under `/credits`."""

    def __init__(self, desk: Desk, visitors: Visitors, renderer: Renderer) -> None:
        self._desk = desk
        self._visitors = visitors
        self._renderer = renderer

    def routes(self) -> list[BaseRoute]:
        """The addresses of these pages."""
        return [
            Route("/credits", self.overview, methods=["GET"]),
            Route("/credits/voucher", self.redeem, methods=["POST"]),
        ]

    async def overview(self, request: Request) -> Response:
        """Balance, ways to top up, and the ledger from the newest line or from `before` one."""
        return await self._page(request, await self._visitors.require(request))

    async def redeem(self, request: Request) -> Response:
        """Credit a voucher to this account, once; attempts are counted."""
        session = await self._visitors.require_form(request)
        code = text_of(await request.form(), "code")[:_LONGEST_CODE]
        try:
            worth = await self._redeem(session, code)
        except RateLimited as error:
            return await self._page(request, session, 429, code=code, error=error)
        except InvalidParameter as error:
            return await self._page(request, session, 400, code=code, error=error)
        return RedirectResponse(f"/credits?redeemed={worth}", 303)

    async def _redeem(self, session: Session, code: str) -> int:
        """What the voucher was worth, in micro-credits; raises `RateLimited` and `InvalidParameter`."""
        account_id, now = session.person.account_id, self._desk.clock.now()

        def credit(connection: Connection) -> int:
            try:
                worth = vouchers.redeem(connection, accounts.get(connection, account_id), code, now)
            except ValueError as error:  # more than an account may hold
                raise InvalidParameter(str(error), field="code") from None
            audit.note(connection, session.person.address, "vouchers.redeem", account_id, now, amount_micro=worth)
            attempts.clear(connection, "voucher", account_id)
            return worth

        await self._desk.count_attempts(("voucher", account_id, _TRIES))
        return await self._desk.database.write(credit)

    async def _page(
        self,
        request: Request,
        session: Session,
        status: int = 200,
        *,
        code: str = "",
        error: PlatformError | None = None,
    ) -> Response:
        before, now = number_in(request.query_params, "before"), self._desk.clock.now()
        account_id, order_id = session.person.account_id, request.query_params.get("order", "")
        purse, order = await self._desk.database.read(
            lambda connection: (_purse(connection, account_id, before, now), _order(connection, account_id, order_id))
        )
        facts: dict[str, Any] = {"code": code, "error": error, "redeemed": number_in(request.query_params, "redeemed")}
        facts |= {"packs": () if self._desk.cashier is None else self._desk.cashier.packs}
        return await self._renderer.page(
            request, "credits.html", status, purse=purse, order=order, before=before, cheapest=self._cheapest(), **facts
        )

    def _cheapest(self) -> Model | None:
        """The model of which the balance makes the most pictures."""
        priced = [model for model in self._desk.catalog.models if model.price_micro]
        return min(priced, key=lambda model: model.price_micro, default=None)


def _purse(connection: Connection, account_id: str, before: int | None, now: datetime) -> Purse:
    lines = ledger.entries(connection, account_id, LINES + 1, before)
    week = usage.between(connection, account_id, (now - timedelta(days=_WEEK - 1)).date(), now.date())
    spent = sum(day.captured_micro for day in week)
    older = lines[LINES - 1].id if len(lines) > LINES else None
    return Purse(ledger.balance(connection, account_id), spent, lines[:LINES], older)


def _order(connection: Connection, account_id: str, order_id: str) -> PaymentOrder | None:
    """The account's own order from which a payer comes back."""
    newest = payments.orders_of(connection, account_id, LINES) if order_id else []
    return next((order for order in newest if order.id == order_id), None)

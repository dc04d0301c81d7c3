"""Buying credits: from a pack to the provider's page, and from its signed word to the ledger."""

from __future__ import annotations

import asyncio

import structlog
from sqlalchemy import Connection
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import BaseRoute, Route

from fluxhouse.console.cashier import Cashier, CreditPack, PaymentForged
from fluxhouse.console.desk import Desk
from fluxhouse.console.entrance import text_of
from fluxhouse.console.visitors import Visitors
from fluxhouse.core import audit, payments
from fluxhouse.core.payments import Payment, PaymentOrder, PaymentRefused
from fluxhouse.core.sessions import Session
from fluxhouse.generation.errors import InvalidParameter

WEBHOOK = "/webhooks/stripe"
_LONGEST_BODY = 256 * 1024  # bytes
_MOST_ORDERS = 20  # of an account within a quarter of an hour

log = structlog.get_logger()


class Checkout:
    """The addresses around a cashier; where there is none, neither are they."""

    def __init__(self, desk: Desk, visitors: Visitors, cashier: Cashier) -> None:
        self._desk = desk
        self._visitors = visitors
        self._cashier = cashier

    def routes(self) -> list[BaseRoute]:
        """The form that buys, and where the provider tells what was paid."""
        return [
            Route("/credits/buy", self.buy, methods=["POST"]),
            Route(WEBHOOK, self.told, methods=["POST"]),
        ]

    async def buy(self, request: Request) -> Response:
        """Order a pack, and on to the page where it is paid."""
        session = await self._visitors.require_form(request)
        chosen = text_of(await request.form(), "pack")
        pack = next((pack for pack in self._cashier.packs if str(pack.amount_micro) == chosen), None)
        if pack is None:
            raise InvalidParameter("this pack is not offered any more: go back and choose again", field="pack")
        order = await self._order(session, pack)
        page = await asyncio.to_thread(self._cashier.begin, order, f"{self._desk.public_url}/credits")
        return RedirectResponse(page, 303)

    async def told(self, request: Request) -> Response:
        """A message of the provider: 2xx once it is dealt with, so that it is not sent again."""
        body = await _body(request)
        try:
            if body is None:
                raise PaymentForged
            payment = self._cashier.read(body, request.headers.get("stripe-signature", ""))
        except PaymentForged as error:
            log.warning("payment_forged")
            return _refused(400, error)
        if payment is None:
            return JSONResponse({"credited": False})
        try:
            credited = await self._desk.database.write(lambda connection: self._settle(connection, payment))
        except PaymentRefused as error:
            # Seen by the operator twice: here, and among the provider's failed deliveries.
            log.error("payment_refused", payment_event=payment.event, payment=payment.payment, order=payment.order_id)
            return _refused(409, error)
        return JSONResponse({"credited": credited})

    def _settle(self, connection: Connection, payment: Payment) -> bool:
        now = self._desk.clock.now()
        try:
            credited = payments.settle_payment(connection, payment, now)
        except ValueError as error:  # more than an account may hold
            raise PaymentRefused(str(error)) from None
        if credited:
            price, currency = payment.price_minor, payment.currency
            audit.note(
                connection, "stripe", "payments.credit", payment.order_id, now, price_minor=price, currency=currency
            )
        return credited

    async def _order(self, session: Session, pack: CreditPack) -> PaymentOrder:
        account_id, now = session.person.account_id, self._desk.clock.now()

        await self._desk.count_attempts(("order", account_id, _MOST_ORDERS))
        return await self._desk.database.write(
            lambda connection: payments.order(
                connection, account_id, pack.amount_micro, pack.price_minor, pack.currency, now
            )
        )


async def _body(request: Request) -> bytes | None:
    """The body as it was signed; None where it is longer than any message."""
    body = b""
    async for chunk in request.stream():
        body += chunk
        if len(body) > _LONGEST_BODY:
            return None
    return body


def _refused(status: int, error: PaymentForged | PaymentRefused) -> Response:
    return JSONResponse({"error": {"code": error.code, "message": error.message, "status": status}}, status)

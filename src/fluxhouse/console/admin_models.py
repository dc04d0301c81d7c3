"""Models and vouchers as administrators see them: prices, what is off, codes worth credits."""

from __future__ import annotations

from datetime import timedelta
from secrets import token_hex
from typing import Any

from sqlalchemy import Connection
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import BaseRoute, Route

from fluxhouse.catalog.model import Model
from fluxhouse.console.office import Deed, Office
from fluxhouse.core import accounts, attempts, model_terms, vouchers
from fluxhouse.core.model_terms import ModelTerms
from fluxhouse.core.topup import MOST_MICRO
from fluxhouse.generation.credits import MICRO, to_number
from fluxhouse.generation.errors import InvalidParameter, RateLimited, UnknownModel

MOST_VOUCHERS = 100  # made by one form
_LISTED = 50
_LONGEST_LABEL = 100


class AdminModels:
    """The pages under `/admin/models` and `/admin/vouchers`."""

    def __init__(self, office: Office) -> None:
        self._office = office

    def routes(self) -> list[BaseRoute]:
        """The addresses of these pages."""
        return [
            Route("/admin/models", self.overview, methods=["GET"]),
            Route("/admin/models/{model}", self.one, methods=["GET"]),
            Route("/admin/models/{model}", self.change, methods=["POST"]),
            Route("/admin/vouchers", self.vouchers, methods=["GET"]),
            Route("/admin/vouchers", self.issue, methods=["POST"]),
        ]

    async def overview(self, request: Request) -> Response:
        """What every model costs here, and which are off."""
        await self._office.admit(request)
        desk = self._office.desk
        terms = await desk.database.read(model_terms.agreed)
        facts: dict[str, Any] = {"models": desk.catalog.models, "terms": terms, "offer": desk.serving}
        return await self._office.page(request, "admin_models.html", **facts)

    async def one(self, request: Request) -> Response:
        """One model's terms."""
        await self._office.admit(request)
        return await self._form(request)

    async def change(self, request: Request) -> Response:
        """Other terms, from the next submit on."""
        deed, model, desk = await self._office.deed(request), self._model(request), self._office.desk

        def verb(connection: Connection) -> None:
            terms = _terms(deed)
            model_terms.agree(connection, model.id, terms, deed.now)
            price = None if terms.price_micro is None else str(to_number(terms.price_micro))
            off, unmoderated = terms.is_off, terms.is_unmoderated
            deed.note(connection, "models.terms", model.id, price=price, is_off=off, is_unmoderated=unmoderated)

        try:
            await self._office.carry_out(deed, verb)
        except InvalidParameter as error:
            return await self._form(request, 400, error)
        await desk.serving.look(desk.database)
        return RedirectResponse("/admin/models", 303)

    async def vouchers(self, request: Request) -> Response:
        """The newest vouchers, never their codes."""
        await self._office.admit(request)
        return await self._vouchers(request)

    async def issue(self, request: Request) -> Response:
        """New vouchers, whose codes this page shows and none ever again."""
        deed = await self._office.deed(request)
        codes: list[str] = []
        try:
            await self._office.carry_out(deed, lambda connection: codes.extend(_issued(connection, deed)))
        except InvalidParameter as error:
            return await self._vouchers(request, 400, error)
        answer = await self._vouchers(request, codes=codes)
        answer.headers["Cache-Control"] = "no-store"
        return answer

    async def _form(self, request: Request, status: int = 200, error: InvalidParameter | None = None) -> Response:
        model, desk = self._model(request), self._office.desk
        terms = (await desk.database.read(model_terms.agreed)).get(model.id, ModelTerms())
        own = "" if terms.price_micro is None else str(to_number(terms.price_micro))
        facts = {"model": model, "terms": terms, "own": own, "served": desk.serving.is_served(model.id)}
        return await self._office.page(
            request, "admin_model.html", status, error=error, listed=desk.catalog.listed_price(model.id), **facts
        )

    async def _vouchers(
        self, request: Request, status: int = 200, error: InvalidParameter | None = None, codes: list[str] | None = None
    ) -> Response:
        def read(connection: Connection) -> tuple[list[vouchers.Voucher], dict[str, str]]:
            newest = vouchers.latest(connection, _LISTED)
            ids = {voucher.account_id for voucher in newest if voucher.account_id}
            return newest, {account_id: accounts.get(connection, account_id).name for account_id in ids}

        newest, names = await self._office.desk.database.read(read)
        facts = {"vouchers": newest, "names": names, "codes": codes or [], "most": MOST_VOUCHERS}
        return await self._office.page(
            request, "admin_vouchers.html", status, error=error, nonce=token_hex(16), **facts
        )

    def _model(self, request: Request) -> Model:
        """A model that makes pictures itself; a family costs what its members do."""
        model = self._office.desk.catalog.model(request.path_params["model"])
        if model.members:
            raise UnknownModel(f"`{model.id}` has no terms of its own but its members'", field="model")
        return model


def _terms(deed: Deed) -> ModelTerms:
    price_micro = deed.amount_micro("price") if deed.text("price") else None
    if price_micro is not None and not 0 <= price_micro <= MOST_MICRO:
        raise InvalidParameter(f"a price is from 0 to {MOST_MICRO // MICRO:,} credits", field="price")
    return ModelTerms(price_micro, is_off=deed.text("offered") != "yes", is_unmoderated=deed.text("moderated") == "no")


def _issued(connection: Connection, deed: Deed) -> list[str]:
    """The codes; raises `InvalidParameter`, also for the same form sent again."""
    amount_micro, count = deed.amount_micro("amount"), deed.number("count")
    if not 1 <= count <= MOST_VOUCHERS:
        raise InvalidParameter(f"make 1 to {MOST_VOUCHERS} vouchers at a time", field="count")
    days = deed.number("days") if deed.text("days") else None
    if days is not None and not 1 <= days <= 3650:
        raise InvalidParameter("vouchers end in 1 to 3650 days, or never", field="days")
    label = deed.text("label")[:_LONGEST_LABEL]
    try:
        attempts.count(connection, "voucher form", deed.text("nonce")[:64], 1, deed.now)
    except RateLimited:
        raise InvalidParameter("this very form made its vouchers before", field="amount") from None
    end = None if days is None else deed.now + timedelta(days=days)
    codes = [vouchers.issue(connection, amount_micro, deed.now, label, end) for _ in range(count)]
    deed.note(connection, "vouchers.create", label, count=count, credits=str(to_number(amount_micro)))
    return codes

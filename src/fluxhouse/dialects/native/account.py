"""The caller's own account: credits, and usage by day and model."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import date, timedelta
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from fluxhouse.core import ledger, usage
from fluxhouse.core.keys import Scope
from fluxhouse.core.usage import UsageDay
from fluxhouse.dialects.dialect import Door
from fluxhouse.dialects.native.reading import bearer, day_in, number_in
from fluxhouse.generation.credits import to_number
from fluxhouse.generation.errors import InvalidParameter

DAYS = 30
MOST_DAYS = 366


class Account:
    """`GET /api/v1/credits`, `GET /api/v1/usage`."""

    def __init__(self, door: Door) -> None:
        self._door = door

    async def credits(self, request: Request) -> Response:
        """What the account owns, what its open jobs hold, and what a new job may cost at most."""
        balance = await self._door.ask(
            bearer(request), Scope.READ, lambda connection, caller: ledger.balance(connection, caller.account.id)
        )
        return JSONResponse(
            {
                "balance": to_number(balance.total_micro),
                "held": to_number(balance.held_micro),
                "available": to_number(balance.available_micro),
            }
        )

    async def usage(self, request: Request) -> Response:
        """What was asked, refused, made and charged, by day (UTC) and model, newest first."""
        caller = await self._door.authenticate(bearer(request), Scope.READ)
        first, last = self._period(request)
        days = await self._door.database.read(
            lambda connection: usage.between(connection, caller.account.id, first, last)
        )
        entries = _by_model(days)
        totals: Counter[str] = Counter()
        for counted in entries.values():
            totals.update(counted)
        return JSONResponse(
            {
                "since": first.isoformat(),
                "until": last.isoformat(),
                "entries": [{"date": day, "model": model, **_worded(n)} for (day, model), n in entries.items()],
                "totals": _worded(totals),
            }
        )

    def _period(self, request: Request) -> tuple[date, date]:
        """`from` and `to`, both included; by default the last `days` up to today."""
        days = number_in(request, "days", DAYS, 1, MOST_DAYS)
        last = day_in(request, "to", self._door.clock.now().date())
        try:
            first = day_in(request, "from", last - timedelta(days=days - 1))
        except OverflowError:
            raise InvalidParameter("`to` is too long ago", field="to") from None
        if first > last or (last - first).days >= MOST_DAYS:
            message = f"`from` must not be after `to`, nor more than {MOST_DAYS - 1} days before it"
            raise InvalidParameter(message, field="from")
        return first, last


def _by_model(days: Sequence[UsageDay]) -> dict[tuple[str, str], Counter[str]]:
    """The counters of each day and model, all keys together, in the order they come."""
    summed: dict[tuple[str, str], Counter[str]] = {}
    for day in days:
        counted = summed.setdefault((day.day, day.model), Counter())
        counted["requests"] += day.submitted + day.refused
        counted["refused"] += day.refused
        counted["completed"] += day.succeeded
        counted["failed"] += day.failed
        counted["cancelled"] += day.cancelled
        counted["images"] += day.images
        counted["captured_micro"] += day.captured_micro
    return summed


def _worded(counted: Counter[str]) -> dict[str, Any]:
    names = ("requests", "refused", "completed", "failed", "cancelled", "images")
    return {name: counted[name] for name in names} | {"creditCost": to_number(counted["captured_micro"])}

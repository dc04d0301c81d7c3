"""The page of usage: what was asked, refused, made and paid, by day, model and key, drawn, tabled and as CSV."""

from __future__ import annotations

import csv
import io
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any
from urllib.parse import urlencode

from sqlalchemy import Connection
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from fluxhouse.console.charts import spoken, stacked
from fluxhouse.console.desk import Desk
from fluxhouse.console.queries import day_of
from fluxhouse.console.rendering import Renderer
from fluxhouse.console.visitors import Visitors
from fluxhouse.core import keys, timings, usage
from fluxhouse.core.sessions import Session
from fluxhouse.core.timings import Took, within
from fluxhouse.core.usage import UsageDay
from fluxhouse.generation.credits import MICRO, to_number
from fluxhouse.generation.errors import InvalidParameter

PERIODS = {7: "7 days", 30: "30 days", 90: "90 days", 365: "A year"}
_DEFAULT_PERIOD = 30
MOST_DAYS = 366
METRICS: Mapping[str, tuple[str, Callable[[UsageDay], float]]] = {
    "images": ("Images", lambda day: day.images),
    "requests": ("Requests", lambda day: day.submitted + day.refused),
    "credits": ("Credits", lambda day: day.captured_micro / MICRO),
    "seconds": ("Seconds of work", lambda day: day.inference_seconds),
    "failed": ("Failed", lambda day: day.failed),
    "refused": ("Refused", lambda day: day.refused),
}
GROUPS = {"model": "by model", "key": "by key", "none": "all together"}
COUNTED = ("submitted", "refused", "succeeded", "failed", "cancelled", "images", "captured_micro", "inference_seconds")
_CSV = (
    *("day", "key", "key_name", "model", "requests", "refused", "completed", "failed", "cancelled", "images"),
    *("credits", "seconds"),
)
_FORMULA = ("=", "+", "-", "@", "\t", "\r")  # a spreadsheet would compute what begins with these


@dataclass(frozen=True, slots=True)
class Wanted:
    """What the address asks for; both days are included."""

    first: date
    last: date
    metric: str
    group: str
    model: str
    key: str

    @property
    def days(self) -> list[date]:
        """Every day of the period."""
        return [self.first + timedelta(days=number) for number in range((self.last - self.first).days + 1)]

    def address(self, path: str = "/usage", **changed: str) -> str:
        """The same with some of it changed."""
        asked = {"from": self.first.isoformat(), "to": self.last.isoformat(), "metric": self.metric}
        asked |= {"group": self.group, "model": self.model, "key": self.key}
        return f"{path}?{urlencode({name: value for name, value in (asked | changed).items() if value})}"

    def takes(self, row: UsageDay | Took) -> bool:
        """Whether a row passes the filters."""
        return self.model in ("", row.model) and self.key in ("", row.key_id)


class Usage:
    """The pages under `/usage`."""

    def __init__(self, desk: Desk, visitors: Visitors, renderer: Renderer) -> None:
        self._desk = desk
        self._visitors = visitors
        self._renderer = renderer

    def routes(self) -> list[BaseRoute]:
        """The addresses of these pages."""
        return [
            Route("/usage", self.overview, methods=["GET"]),
            Route("/usage/days.csv", self.table, methods=["GET"]),
        ]

    async def overview(self, request: Request) -> Response:
        """One figure as a chart, with the table under it, and everything by model and by key."""
        session = await self._visitors.require(request)
        wanted = _wanted(request, self._today())
        everything, names = await self._read(session, wanted)
        days = [day for day in everything if wanted.takes(day)]
        timed = await self._desk.database.read(
            lambda connection: timings.took(connection, session.person.account_id, wanted.first, wanted.last)
        )
        spans = [one for one in timed if wanted.takes(one)]
        facts: dict[str, Any] = {
            "wanted": wanted,
            "chart": stacked(wanted.days, _series(days, wanted, names), self._today()),
            "totals": _summed(days, lambda _: "")[""],
            "spans": _spans(spans, lambda _: "").get(""),
            "spans_by_model": _spans(spans, lambda one: one.model),
            "by_model": _summed(days, lambda day: day.model),
            "by_key": _summed(days, lambda day: day.key_id),
            "models": sorted({day.model for day in everything} | ({wanted.model} - {""})),
            "names": {day.key_id: names.get(day.key_id, day.key_id) for day in everything} | _chosen(wanted, names),
        }
        words: dict[str, Any] = {"metrics": METRICS, "groups": GROUPS, "periods": _periods(wanted, self._today())}
        return await self._renderer.page(request, "usage.html", period=_period(wanted), **words, **facts)

    async def table(self, request: Request) -> Response:
        """Every row of the period, for spreadsheets."""
        session = await self._visitors.require(request)
        wanted = _wanted(request, self._today())
        days, names = await self._read(session, wanted)
        text = io.StringIO()
        lines = csv.writer(text)
        lines.writerow(_CSV)
        lines.writerows(_line(day, names) for day in days if wanted.takes(day))
        name = f"usage-{wanted.first}-{wanted.last}.csv"
        headers = {"Content-Disposition": f'attachment; filename="{name}"', "Cache-Control": "private, no-cache"}
        return Response(text.getvalue(), headers=headers, media_type="text/csv")

    async def _read(self, session: Session, wanted: Wanted) -> tuple[list[UsageDay], dict[str, str]]:
        """The rows of the period, and what each key is called."""
        account_id = session.person.account_id

        def read(connection: Connection) -> tuple[list[UsageDay], dict[str, str]]:
            names = {key.id: key.name for key in keys.of_account(connection, account_id)}
            return usage.between(connection, account_id, wanted.first, wanted.last), names

        return await self._desk.database.read(read)

    def _today(self) -> date:
        return self._desk.clock.now().date()


def _wanted(request: Request, today: date) -> Wanted:
    """What the address asks for; raises `InvalidParameter`."""
    query = request.query_params
    last = _day(query.get("to"), "to", today)
    first = _day(query.get("from"), "from", last - timedelta(days=_DEFAULT_PERIOD - 1))
    if not 0 <= (last - first).days < MOST_DAYS:
        message = f"the first day must not be after the last, nor more than {MOST_DAYS - 1} days before it"
        raise InvalidParameter(message, field="from")
    metric, group = query.get("metric", "images"), query.get("group", "model")
    if metric not in METRICS or group not in GROUPS:
        message = f"`metric` is one of {', '.join(METRICS)}, and `group` one of {', '.join(GROUPS)}"
        raise InvalidParameter(message, field="metric")
    return Wanted(first, last, metric, group, query.get("model", "")[:60], query.get("key", "")[:8])


def _day(text: str | None, field: str, otherwise: date) -> date:
    return day_of(text, field) if text else otherwise


def _series(days: Sequence[UsageDay], wanted: Wanted, names: Mapping[str, str]) -> dict[str, dict[str, float]]:
    """The chosen figure by series and day."""
    value_of = METRICS[wanted.metric][1]
    series: defaultdict[str, defaultdict[str, float]] = defaultdict(lambda: defaultdict(float))
    for day in days:
        name = {"model": day.model, "key": names.get(day.key_id, day.key_id), "none": "all"}[wanted.group]
        if value := value_of(day):
            series[name][day.day] += value
    return {name: dict(of_day) for name, of_day in series.items()}


def _summed(days: Sequence[UsageDay], by: Callable[[UsageDay], str]) -> dict[str, Counter[str]]:
    """Every counter, summed by what `by` says of a row; the largest first."""
    sums: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for day in days:
        sums[by(day)].update({name: getattr(day, name) for name in COUNTED})
    ranked = sorted(sums.items(), key=lambda item: (-item[1]["submitted"], item[0]))
    return defaultdict(Counter, ranked)


def _spans(timed: Sequence[Took], by: Callable[[Took], str]) -> dict[str, tuple[float, float]]:
    """Within how many seconds half of the jobs ended, and nine of ten, by what `by` says of one."""
    seconds: defaultdict[str, list[float]] = defaultdict(list)
    for one in timed:
        seconds[by(one)].append(one.seconds)
    return {name: (within(each, 0.5), within(each, 0.9)) for name, each in seconds.items()}


def _chosen(wanted: Wanted, names: Mapping[str, str]) -> dict[str, str]:
    return {wanted.key: names.get(wanted.key, wanted.key)} if wanted.key else {}


def _period(wanted: Wanted) -> str:
    return f"{spoken(wanted.first)} to {spoken(wanted.last)} {wanted.last.year}"


def _periods(wanted: Wanted, today: date) -> list[tuple[str, str, bool]]:
    """The usual periods up to today: words, address, and whether it is the one that is shown."""
    found = []
    for length, words in PERIODS.items():
        first = (today - timedelta(days=length - 1)).isoformat()
        is_shown = (wanted.first.isoformat(), wanted.last) == (first, today)
        found.append((words, wanted.address(**{"from": first, "to": today.isoformat()}), is_shown))
    return found


def _line(day: UsageDay, names: Mapping[str, str]) -> tuple[str | int | float, ...]:
    name = names.get(day.key_id, "")
    return (
        day.day,
        day.key_id,
        f"'{name}" if name.startswith(_FORMULA) else name,
        day.model,
        day.submitted + day.refused,
        day.refused,
        day.succeeded,
        day.failed,
        day.cancelled,
        day.images,
        to_number(day.captured_micro),
        round(day.inference_seconds, 3),
    )

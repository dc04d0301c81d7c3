"""What the gallery's address asks for: filters as people see them, and the search that they mean."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from urllib.parse import urlencode

from starlette.datastructures import QueryParams

from fluxhouse.console.queries import day_of
from fluxhouse.core.cursors import cursor_of, place_of
from fluxhouse.core.job_search import Search
from fluxhouse.core.jobs import OPEN_STATES, Job, JobState
from fluxhouse.generation.errors import InvalidParameter

# What people choose among: jobs under way are one thing to them.
STATES = {
    "open": ("Under way", OPEN_STATES),
    "succeeded": ("Completed", frozenset({JobState.SUCCEEDED})),
    "failed": ("Failed", frozenset({JobState.FAILED})),
    "cancelled": ("Cancelled", frozenset({JobState.CANCELLED})),
}


@dataclass(frozen=True, slots=True)
class GalleryQuery:
    """The fields as text, as the form shows them again."""

    text: str = ""
    model: str = ""
    key: str = ""
    state: str = ""
    first: str = ""
    last: str = ""
    before: str = ""

    @classmethod
    def of(cls, query: QueryParams) -> GalleryQuery:
        """What an address asks for."""
        names = ("q", "model", "key", "state", "from", "to", "before")
        return cls(*(query.get(name, "").strip()[:200] for name in names))

    @property
    def is_filtered(self) -> bool:
        """Whether there may be jobs that are not shown."""
        return self != GalleryQuery(before=self.before)

    def search(self) -> Search:
        """What is meant; raises `InvalidParameter`."""
        if self.state and self.state not in STATES:
            raise InvalidParameter(f"`state` must be one of {', '.join(STATES)}", field="state")
        until = _day(self.last, "to")
        return Search(
            model=self.model or None,
            key_id=self.key or None,
            states=STATES[self.state][1] if self.state else (),
            since=_day(self.first, "from"),
            until=None if until is None else until + timedelta(days=1),
            text=self.text or None,
            before=_place(self.before),
        )

    def older_than(self, last: Job) -> str:
        """The address of the page after the one that ends with that job."""
        asked = {"q": self.text, "model": self.model, "key": self.key, "state": self.state}
        asked |= {"from": self.first, "to": self.last}
        asked["before"] = cursor_of(last.created_at, last.id)
        return f"/gallery?{urlencode({name: value for name, value in asked.items() if value})}"


def _day(text: str, field: str) -> datetime | None:
    return datetime.combine(day_of(text, field), time(), UTC) if text else None


def _place(text: str) -> tuple[datetime, str] | None:
    if not text:
        return None
    try:
        return place_of(text)
    except ValueError:
        raise InvalidParameter("`before` must be one that an earlier page gave", field="before") from None

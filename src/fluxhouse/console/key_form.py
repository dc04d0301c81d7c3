"""The form of a key's limits: what was typed, and what it means; every refusal names its field."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta

from starlette.datastructures import FormData

from fluxhouse.core.keys import DEFAULT_RATE_PER_MINUTE, Key, Limits, Scope
from fluxhouse.core.topup import MOST_MICRO
from fluxhouse.generation.credits import MICRO, to_micro, to_number
from fluxhouse.generation.errors import InvalidParameter

LONGEST_LABEL = 100
MOST_PER_MINUTE = 100_000
EXPIRIES = {
    "30": "In 30 days",
    "90": "In 90 days",
    "365": "In a year",
    "date": "On a day of your choice",
    "never": "Never",
}


@dataclass(frozen=True, slots=True)
class KeyForm:
    """The fields as text, as the page shows them again where something is wrong."""

    label: str = ""
    scopes: frozenset[str] = frozenset(Scope)
    models: frozenset[str] = frozenset()
    expires: str = "90"
    day: str = ""
    cap: str = ""
    rate: str = str(DEFAULT_RATE_PER_MINUTE)

    @classmethod
    def typed(cls, form: FormData) -> KeyForm:
        """What somebody has filled in."""

        def text(name: str) -> str:
            value = form.get(name, "")
            return value.strip()[:200] if isinstance(value, str) else ""

        def chosen(name: str) -> frozenset[str]:
            return frozenset(value for value in form.getlist(name) if isinstance(value, str))

        return cls(
            text("label"), chosen("scopes"), chosen("models"), text("expires"), text("day"), text("cap"), text("rate")
        )

    @classmethod
    def of(cls, key: Key) -> KeyForm:
        """What a key has now."""
        return cls(
            label=key.label,
            scopes=key.scopes,
            models=key.models or frozenset(),
            expires="never" if key.expires_at is None else "date",
            day="" if key.expires_at is None else (key.expires_at - timedelta(microseconds=1)).date().isoformat(),
            cap="" if key.spend_cap_micro is None else str(to_number(key.spend_cap_micro)),
            rate=str(key.rate_per_minute),
        )

    def limits(self, models: Collection[str], now: datetime) -> Limits:
        """What the key may; raises `InvalidParameter`. No model chosen means all of them."""
        if not 0 < len(self.label) <= LONGEST_LABEL:
            raise InvalidParameter(f"give the key a name of 1 to {LONGEST_LABEL} characters", field="label")
        if not self.scopes or self.scopes - frozenset(Scope):
            raise InvalidParameter("choose what the key may do: run, read or both", field="scopes")
        if unknown := self.models - frozenset(models):
            raise InvalidParameter(f"there is no model {min(unknown)[:60]!r}", field="models")
        return Limits(self.scopes, self.models or None, self._end(now), self._cap(), self._rate())

    def _end(self, now: datetime) -> datetime | None:
        if self.expires == "never":
            return None
        if self.expires in ("30", "90", "365"):
            return now + timedelta(days=int(self.expires))
        if self.expires != "date":
            raise InvalidParameter("choose when the key ends", field="expires")
        try:
            last = date.fromisoformat(self.day)
            end = datetime.combine(last, time(), UTC) + timedelta(days=1)  # the day itself is included
        except (ValueError, OverflowError):
            raise InvalidParameter("the last day must be a day such as 2027-01-31", field="day") from None
        if end <= now:
            raise InvalidParameter("the last day must not be past", field="day")
        return end

    def _cap(self) -> int | None:
        if not self.cap:
            return None
        try:
            cap = to_micro(self.cap)
        except ValueError:
            cap = -1
        if not 0 <= cap <= MOST_MICRO:
            message = f"the spend cap must be a number of credits from 0 to {MOST_MICRO // MICRO:,}, or empty for none"
            raise InvalidParameter(message, field="cap")
        return cap

    def _rate(self) -> int:
        text = self.rate
        if not (text.isascii() and text.isdigit() and len(text) < 10 and 1 <= int(text) <= MOST_PER_MINUTE):
            message = f"the rate must be a whole number from 1 to {MOST_PER_MINUTE:,} submits a minute"
            raise InvalidParameter(message, field="rate")
        return int(text)

"""When something ends, as commands are told it: `30d`, `12h` or a date."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

from fluxhouse.cli.opening import Refusal


def expiry(text: str, now: datetime) -> datetime:
    """The moment that `--expires` names, which is in the future; raises `Refusal`."""
    if match := re.fullmatch(r"(\d{1,5})([hd])", text):
        moment = now + timedelta(**{{"h": "hours", "d": "days"}[match[2]]: int(match[1])})
    else:
        try:
            moment = datetime.fromisoformat(text)
        except ValueError:
            raise Refusal(f"--expires takes 30d, 12h or a date such as 2027-01-31, not {text!r}") from None
        moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    if moment <= now:
        raise Refusal(f"--expires is not in the future: {text}")
    return moment

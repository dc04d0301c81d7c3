"""How long jobs took lately: an image of a model at this installation, and an account's jobs from submit to end."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from statistics import median

from sqlalchemy import Connection, select, text

from fluxhouse.core.jobs import JobState, jobs

_MOST = 1000  # of the newest jobs that are looked at
_LEAST = 3  # of a model, so that its figure is of more than one whim
# Literal, see `jobs`: only so the partial index is used.
_KEPT = text("output_removed_at IS NULL")


@dataclass(frozen=True, slots=True)
class Took:
    """One succeeded job: its model, its key, and the seconds from its submit to its end."""

    model: str
    key_id: str
    seconds: float


def image_seconds(connection: Connection) -> Mapping[str, float]:
    """The median of the backend's seconds for an image, by the model that made it, of jobs that are kept whole yet."""
    made = select(jobs.c.request["model"].as_string(), jobs.c.inference_seconds, jobs.c.images)
    made = made.where(_KEPT, jobs.c.state == JobState.SUCCEEDED, jobs.c.inference_seconds.is_not(None))
    found: defaultdict[str, list[float]] = defaultdict(list)
    for model, seconds, images in connection.execute(made.order_by(jobs.c.expires_at.desc()).limit(_MOST)):
        found[model].append(seconds / max(1, len(images)))
    return {model: median(seconds) for model, seconds in found.items() if len(seconds) >= _LEAST}


def took(connection: Connection, account_id: str, first: date, last: date) -> list[Took]:
    """The newest thousand of an account's jobs that were submitted on these days (UTC) and have succeeded."""
    since, until = (datetime.combine(day, time(), UTC) for day in (first, last + timedelta(days=1)))
    mine = select(jobs.c.model, jobs.c.key_id, jobs.c.created_at, jobs.c.finished_at).where(
        jobs.c.account_id == account_id,
        jobs.c.created_at >= since,
        jobs.c.created_at < until,
        jobs.c.state == JobState.SUCCEEDED,
    )
    newest = mine.order_by(jobs.c.created_at.desc(), jobs.c.id.desc()).limit(_MOST)
    return [
        Took(row.model, row.key_id, (row.finished_at - row.created_at).total_seconds())
        for row in connection.execute(newest)
    ]


def within(seconds: Sequence[float], share: float) -> float:
    """The seconds within which that share of some jobs ended, by nearest rank."""
    return sorted(seconds)[min(len(seconds) - 1, int(share * len(seconds)))]

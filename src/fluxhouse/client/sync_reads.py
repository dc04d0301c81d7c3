"""What the synchronous client only reads: the catalog, prices, the account and its jobs."""

# Written by scripts/unasync.py from async_reads.py, which is the one to change.

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from typing import Any

from fluxhouse.client.asking import get, post, segment
from fluxhouse.client.facts import Credits, Model, Quote, UsageDay
from fluxhouse.client.reading import Body, credits_of, model_of, models_of, quote_of, usage_of
from fluxhouse.client.sync_jobs import Job, job_reader
from fluxhouse.client.sync_wire import Wire

_PAGE = 100


class Reads:
    """Questions whose answers change nothing; each raises `FluxhouseError`."""

    def __init__(self, wire: Wire) -> None:
        self._wire = wire
        self._read_job = job_reader(wire)

    def models(self) -> tuple[Model, ...]:
        """The catalog; needs no key.

        >>> [model.id for model in client.models() if model.available]
        """
        return self._wire.ask(get("models"), models_of)

    def model(self, model_id: str) -> Model:
        """One model with its request schema, aspect ratios and licence; needs no key. Raises `NotFound`."""
        return self._wire.ask(get(f"models/{segment(model_id)}"), model_of)

    def quote(self, model: str, /, prompt: str | None = None, **parameters: Any) -> Quote:
        """What `run` with the same arguments would cost; nothing is held.

        >>> (client.quote("flux-dev", "a fox in the snow", num_outputs=4)).credit_cost
        """
        call = post(f"models/{segment(model)}/quote", {"prompt": prompt, **parameters})
        return self._wire.ask(call, quote_of)

    def credits(self) -> Credits:
        """The account's credits."""
        return self._wire.ask(get("credits"), credits_of)

    def usage(
        self, *, since: date | None = None, until: date | None = None, days: int | None = None
    ) -> tuple[UsageDay, ...]:
        """What the account did, by day (UTC) and model, newest first: both days included, else the last `days` (30)."""
        first, last = (None if day is None else day.isoformat() for day in (since, until))
        return self._wire.ask(get("usage", **{"from": first, "to": last, "days": days}), usage_of)

    def job(self, job_id: str) -> Job:
        """The job as it stands; raises `NotFound`."""
        return self._wire.ask(get(f"jobs/{segment(job_id)}"), self._read_job)

    def jobs(self, *, limit: int | None = None, status: str | None = None, model: str | None = None) -> Iterator[Job]:
        """The account's jobs, newest first, fetched page by page as they are asked for; at most `limit`.

        >>> for job in client.jobs(status="failed", limit=10):
        ...     print(job.id, job.error)
        """
        cursor: str | None = None
        left = limit
        while left is None or left > 0:
            size = _PAGE if left is None else min(left, _PAGE)
            call = get("jobs", limit=size, status=status, model=model, cursor=cursor)
            page, cursor = self._wire.ask(call, self._page)
            yield from page
            if cursor is None:
                return
            left = None if left is None else left - len(page)

    def _page(self, body: Body) -> tuple[list[Job], str | None]:
        return [self._read_job(entry) for entry in body["jobs"]], body["nextCursor"]

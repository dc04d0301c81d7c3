"""What the asynchronous client only reads: the catalog, prices, the account and its jobs."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import date
from typing import Any

from fluxhouse.client.asking import get, post, segment
from fluxhouse.client.async_jobs import AsyncJob, job_reader
from fluxhouse.client.async_wire import AsyncWire
from fluxhouse.client.facts import Credits, Model, Quote, UsageDay
from fluxhouse.client.reading import Body, credits_of, model_of, models_of, quote_of, usage_of

_PAGE = 100


class AsyncReads:
    """Questions whose answers change nothing; each raises `FluxhouseError`."""

    def __init__(self, wire: AsyncWire) -> None:
        self._wire = wire
        self._read_job = job_reader(wire)

    async def models(self) -> tuple[Model, ...]:
        """The catalog; needs no key.

        >>> [model.id for model in await client.models() if model.available]
        """
        return await self._wire.ask(get("models"), models_of)

    async def model(self, model_id: str) -> Model:
        """One model with its request schema, aspect ratios and licence; needs no key. Raises `NotFound`."""
        return await self._wire.ask(get(f"models/{segment(model_id)}"), model_of)

    async def quote(self, model: str, /, prompt: str | None = None, **parameters: Any) -> Quote:
        """What `run` with the same arguments would cost; nothing is held.

        >>> (await client.quote("flux-dev", "a fox in the snow", num_outputs=4)).credit_cost
        """
        call = post(f"models/{segment(model)}/quote", {"prompt": prompt, **parameters})
        return await self._wire.ask(call, quote_of)

    async def credits(self) -> Credits:
        """The account's credits."""
        return await self._wire.ask(get("credits"), credits_of)

    async def usage(
        self, *, since: date | None = None, until: date | None = None, days: int | None = None
    ) -> tuple[UsageDay, ...]:
        """What the account did, by day (UTC) and model, newest first: both days included, else the last `days` (30)."""
        first, last = (None if day is None else day.isoformat() for day in (since, until))
        return await self._wire.ask(get("usage", **{"from": first, "to": last, "days": days}), usage_of)

    async def job(self, job_id: str) -> AsyncJob:
        """The job as it stands; raises `NotFound`."""
        return await self._wire.ask(get(f"jobs/{segment(job_id)}"), self._read_job)

    async def jobs(
        self, *, limit: int | None = None, status: str | None = None, model: str | None = None
    ) -> AsyncIterator[AsyncJob]:
        """The account's jobs, newest first, fetched page by page as they are asked for; at most `limit`.

        >>> async for job in client.jobs(status="failed", limit=10):
        ...     print(job.id, job.error)
        """
        cursor: str | None = None
        left = limit
        while left is None or left > 0:
            size = _PAGE if left is None else min(left, _PAGE)
            call = get("jobs", limit=size, status=status, model=model, cursor=cursor)
            page, cursor = await self._wire.ask(call, self._page)
            for job in page:
                yield job
            if cursor is None:
                return
            left = None if left is None else left - len(page)

    def _page(self, body: Body) -> tuple[list[AsyncJob], str | None]:
        return [self._read_job(entry) for entry in body["jobs"]], body["nextCursor"]

"""The deliverer looks at the table often enough, and no oftener."""

from __future__ import annotations

import asyncio

from fluxhouse.core import webhooks
from fluxhouse.core.bell import Bell
from fluxhouse.engine.testcard import TestCard
from fluxhouse.storage.fetch import Fetcher
from fluxhouse.worker.deliver import Deliverer, DeliverOptions


async def test_changes_that_come_together_are_one_look(stage_with, monkeypatch):
    """Two hundred rings within a quarter of a second cost a handful of reads, not one each."""
    looks, due = [], webhooks.due
    monkeypatch.setattr(webhooks, "due", lambda *arguments: looks.append(1) or due(*arguments))
    stage, bell, fetcher = stage_with(TestCard()), Bell(), Fetcher()
    deliverer = Deliverer(stage.database, fetcher, {}, b"pepper", bell, stage.clock, DeliverOptions(period_seconds=60))
    running = asyncio.create_task(deliverer.run())

    for _ in range(200):
        bell.ring()
        await asyncio.sleep(0.001)

    assert 2 <= len(looks) <= 20
    await deliverer.stop()
    await running
    await fetcher.aclose()

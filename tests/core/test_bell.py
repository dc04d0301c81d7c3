"""The bell: wakes at once, loses no ring, and gives up in time."""

import asyncio

from fluxhouse.core.bell import Bell


async def test_a_ring_wakes_who_waits():
    """Long before the time is over."""
    bell = Bell()
    waiting = asyncio.create_task(bell.wait(60))
    await asyncio.sleep(0)
    bell.ring()
    await asyncio.wait_for(waiting, 5)


async def test_a_ring_before_the_wait_is_not_lost():
    """The next wait returns at once, the one after it does not."""
    bell = Bell()
    bell.ring()
    bell.ring()
    await asyncio.wait_for(bell.wait(60), 5)
    again = asyncio.create_task(bell.wait(60))
    await asyncio.sleep(0.02)
    assert not again.done()
    again.cancel()


async def test_a_wait_ends_without_a_ring():
    """After the seconds asked for, quietly."""
    await asyncio.wait_for(Bell().wait(0.01), 5)

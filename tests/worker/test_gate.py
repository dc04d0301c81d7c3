"""The gate lets many in together, or one by itself, and starves nobody."""

import asyncio

from fluxhouse.worker.gate import Gate


async def test_who_wants_in_alone_is_alone():
    """However many come, nobody is inside with one who asked to be alone."""
    gate, inside, seen = Gate(), [], []

    async def visit(name, alone):
        async with gate.enter(alone=alone):
            inside.append(name)
            if alone:
                seen.append(list(inside))
            await asyncio.sleep(0.001)
            if alone:
                seen.append(list(inside))
            inside.remove(name)

    await asyncio.gather(*(visit(number, number % 4 == 0) for number in range(40)))
    assert len(seen) == 20
    assert all(len(names) == 1 for names in seen)


async def test_a_stream_of_others_does_not_starve_it():
    """New visitors wait behind one who wants in alone."""
    gate, order = Gate(), []

    async def visit(name, alone, seconds):
        async with gate.enter(alone=alone):
            order.append(name)
            await asyncio.sleep(seconds)

    first = asyncio.create_task(visit("first", False, 0.02))
    await asyncio.sleep(0)
    alone = asyncio.create_task(visit("alone", True, 0))
    await asyncio.sleep(0)
    late = asyncio.create_task(visit("late", False, 0))
    await asyncio.gather(first, alone, late)
    assert order == ["first", "alone", "late"]


async def test_who_gives_up_waiting_leaves_no_trace():
    """A waiter that was cancelled keeps nobody out."""
    gate = Gate()
    async with gate.enter(alone=False):
        waiting = asyncio.create_task(gate.enter(alone=True).__aenter__())
        await asyncio.sleep(0)
        waiting.cancel()
        await asyncio.wait([waiting])
        async with asyncio.timeout(1), gate.enter(alone=False):
            pass
    async with asyncio.timeout(1), gate.enter(alone=True):
        pass

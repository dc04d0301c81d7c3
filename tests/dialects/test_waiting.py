"""Waiting for a job's end, and for a client's."""

import asyncio

import pytest
from starlette.requests import Request

from fluxhouse.dialects import waiting
from fluxhouse.generation.backend import StepDone


async def submitted(house):
    return (await house.run()).json()["jobId"].removeprefix("job_")


async def test_a_hint_ends_the_wait_at_once(idle_house):
    """A change of state is seen long before the row would be read again."""
    job_id, door = await submitted(idle_house), idle_house.platform.door
    wait = asyncio.create_task(door.wait(job_id, 30))
    await asyncio.sleep(0.05)
    door.feed.publish(job_id, StepDone(0, 1, 4))
    await idle_house.client.delete(f"/api/v1/jobs/job_{job_id}")
    assert (await asyncio.wait_for(wait, 1)).state == "cancelled"
    assert (await asyncio.wait_for(door.wait(job_id, 30), 1)).state == "cancelled"


async def test_a_lost_hint_is_made_up_for(idle_house, monkeypatch):
    """Where no word comes the row is read again."""
    monkeypatch.setattr(waiting, "_REREAD_SECONDS", 0.05)
    job_id, door = await submitted(idle_house), idle_house.platform.door
    wait = asyncio.create_task(door.wait(job_id, 30))
    await asyncio.sleep(0.02)
    monkeypatch.setattr(door.feed, "publish", lambda *_: None)
    await idle_house.client.delete(f"/api/v1/jobs/job_{job_id}")
    assert (await asyncio.wait_for(wait, 2)).state == "cancelled"


async def test_the_job_wins_over_a_client_that_leaves_meanwhile():
    """What has ended is told, even where the connection closes in the same moment."""

    async def receive():
        return {"type": "http.disconnect"}

    async def ended():
        return "the job"

    assert await waiting.unless_disconnected(receive, asyncio.create_task(ended())) == "the job"


async def test_a_wait_that_is_given_up_leaves_no_task_behind():
    """A cancelled call cancels what it waited for."""
    forever = asyncio.create_task(asyncio.sleep(60))

    async def receive():
        await asyncio.sleep(60)

    call = asyncio.create_task(waiting.unless_disconnected(receive, forever))
    await asyncio.sleep(0.01)
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call
    assert forever.cancelled()


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("wait", 60),
        ("wait=5", 5),
        ("wait=100", 60),
        ("WAIT = 7", 7),
        ('respond-async, wait="3"', 3),
        ("wait=9;x=1", 9),
        ("wait=0", 0),
        ("wait=-1", 0),
        ("wait=soon", 0),
        ("wait=²", 0),
        ("handling=strict", 0),
    ],
)
def test_a_wait_is_read_and_capped(header, seconds):
    """`Prefer: wait` is at most a minute; what makes no sense is passed over."""
    request = Request({"type": "http", "headers": [(b"prefer", header.encode("latin-1"))]})
    assert waiting.wait_seconds(request) == seconds

"""A job followed to its end over streams that break, or where there are none."""

from __future__ import annotations

import asyncio
import time
from contextlib import aclosing

import httpx2
import pytest

from fluxhouse import AsyncClient
from fluxhouse.client import Ended, ImageReady, NotFound, Preview, StatusChanged, Step, Timeout

EVENTS = "/events"


async def followed(client, job, *patience):
    return [event async for event in client.wait(job, *patience)]


def statuses(events):
    return [event.status for event in events if isinstance(event, StatusChanged)]


async def test_every_kind_of_event_is_told(client, kit):
    """Status, steps, a preview that is a picture, each image, and at last the job."""
    events = await followed(client, await client.submit(kit.slow, "a fox", num_outputs=2))
    assert statuses(events)[-1] == "processing"
    steps = [event for event in events if isinstance(event, Step)]
    assert {(step.index, step.steps) for step in steps} == {(0, 4), (1, 4)}
    preview = next(event for event in events if isinstance(event, Preview))
    assert (preview.content_type, preview.content[:2]) == ("image/jpeg", b"\xff\xd8")
    ready = [event.url for event in events if isinstance(event, ImageReady)]
    assert isinstance(events[-1], Ended)
    assert ready == [image.url for image in events[-1].job.images]
    assert sum(isinstance(event, Ended) for event in events) == 1


@pytest.mark.parametrize("marker", [b'"status":"processing"', b'"at":"', b"event: step"])
async def test_a_stream_that_is_cut_is_taken_up_where_it_broke(client, line, kit, marker):
    """Between events or within one: the next stream begins after the last whole one, and no status comes twice."""
    line.lay(EVENTS, kit.cut_after(marker), kit.cut_after(b"event: preview"))
    events = await followed(client, await client.submit(kit.slow, "a fox", num_outputs=2))
    assert events[-1].job.status == "completed"
    assert len(set(statuses(events))) == len(statuses(events))
    streams = [request for request in line.sent if request.url.path.endswith(EVENTS)]
    assert len(streams) == 3
    assert "last-event-id" not in streams[0].headers
    assert int(streams[2].headers["last-event-id"]) > 0


async def test_a_stream_refused_for_a_while_is_opened_again(client, line, kit):
    """A server that restarts is waited for."""
    line.lay(EVENTS, kit.unreachable, kit.answered(503))
    events = await followed(client, await client.submit(kit.slow, "a fox"))
    assert any(isinstance(event, Step) for event in events)
    assert [path.rpartition("/")[2] for path in line.paths()] == ["run", "events", "events", "events"]


@pytest.mark.parametrize("status", [200, 404, 406])
async def test_where_there_is_no_stream_the_job_is_polled(client, line, kit, status):
    """A gateway that lets none through costs previews, not the result."""
    line.lay(EVENTS, kit.answered(status, "a page"))
    events = await followed(client, await client.submit(kit.slow, "a fox", num_outputs=2))
    assert isinstance(events[-1], Ended)
    assert events[-1].job.status == "completed"
    assert any(isinstance(event, Step) for event in events)
    assert len(set(map(repr, events))) == len(events)
    assert line.paths()[-1] == f"GET jobs/{events[-1].job.id}"


async def test_streams_that_break_again_and_again_give_way_to_polling(client, line, kit):
    """Three in a row without an event are enough."""
    job = await client.submit(kit.quick, "a fox")
    line.lay(EVENTS, kit.cut_after(b"i"), kit.silent, kit.answered(502))
    assert (await followed(client, job))[-1].job.status == "completed"
    assert [path.rpartition("/")[2] for path in line.paths()[1:4]] == ["events"] * 3
    assert set(line.paths()[4:]) == {f"GET jobs/{job.id}"}


async def test_a_job_that_has_ended_is_told_at_once(client, kit):
    """To wait for it again is one event."""
    job = await client.run(kit.quick, "a fox")
    (ended,) = [event for event in await followed(client, job) if isinstance(event, Ended)]
    assert ended.job == job


async def test_a_job_that_is_not_there_is_not_found(client):
    """What the stream does not say, polling does."""
    with pytest.raises(NotFound, match="job_not_found"):
        await followed(client, "job_none")


async def test_waiting_ends_in_time_and_the_job_goes_on(client, kit):
    """`Timeout` names the job, which can be waited for again."""
    job = await client.submit(kit.slow, "a fox", num_outputs=4)
    with pytest.raises(Timeout) as raised:
        await followed(client, job, 0.3)
    assert raised.value.job_id == job.id
    assert not (await client.job(raised.value.job_id)).ended
    await client.cancel(job)


async def test_run_ends_in_time(client, kit):
    """Submit and wait share the seconds."""
    with pytest.raises(Timeout) as raised:
        await client.run(kit.slow, "a fox", num_outputs=4, timeout=0.3)
    await client.cancel(raised.value.job_id)


async def test_polling_ends_in_time(client, line, kit):
    """With no stream either."""
    line.lay(EVENTS, kit.answered(404))
    job = await client.submit(kit.slow, "a fox", num_outputs=4)
    with pytest.raises(Timeout) as raised:
        await followed(client, job, 0.3)
    assert raised.value.job_id == job.id
    await client.cancel(job)


async def test_a_server_that_says_nothing_does_not_hold_the_waiting(deaf):
    """Neither the stream nor the clock depends on its goodwill."""
    started = time.monotonic()
    async with AsyncClient("fh_key", deaf) as client:
        with pytest.raises(Timeout, match="job_1"):
            await followed(client, "job_1", 0.3)
    assert time.monotonic() - started < 3


@pytest.mark.parametrize("way", ["break", "cancel"])
async def test_who_stops_listening_closes_the_stream(client, line, kit, way):
    """Left by `break` or cancelled in the middle, the connection is given back and the job goes on."""
    opened: list[httpx2.Response] = []

    async def watched(request, send):
        opened.append(await send(request))
        return opened[0]

    line.lay(EVENTS, watched)
    job = await client.submit(kit.slow, "a fox", num_outputs=2)

    async def listen():
        async with aclosing(client.wait(job)) as events:
            async for event in events:
                if way == "break" and isinstance(event, Step):
                    break

    listening = asyncio.create_task(listen())
    if way == "cancel":
        await asyncio.sleep(0.3)
        listening.cancel()
    await asyncio.wait([listening])
    assert listening.cancelled() == (way == "cancel")
    assert opened[0].is_closed
    assert (await followed(client, job))[-1].job.status == "completed"

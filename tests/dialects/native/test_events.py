"""The event stream of a job, read to its end."""

import asyncio
import json

import pytest

from fluxhouse.engine.testcard import TestCard


def parsed(text):
    """(name, id, body) of each event of a stream's text."""
    events = []
    for block in text.strip().split("\n\n"):
        fields = dict(line.split(": ", 1) for line in block.splitlines() if not line.startswith(":"))
        if fields:
            events.append((fields["event"], fields.get("id"), json.loads(fields["data"])))
    return events


@pytest.fixture
async def slow_house(build):
    return await build(TestCard(steps=5, step_seconds=0.1))


async def test_a_job_is_followed_from_its_submit_to_its_end(slow_house):
    """Statuses come numbered and in order, steps and the image between them, the finished job last."""
    job_id = (await slow_house.run()).json()["jobId"]
    answer = await slow_house.client.get(f"/api/v1/jobs/{job_id}/events")
    events = parsed(answer.text)
    assert answer.headers["content-type"].startswith("text/event-stream")
    statuses = [(number, body["status"]) for name, number, body in events if name == "status"]
    assert statuses == [("1", "pending"), ("2", "processing"), ("3", "completed")]
    assert events[-1][2] == (await slow_house.client.get(f"/api/v1/jobs/{job_id}")).json()
    named = {name: (number, body) for name, number, body in events}
    assert named["step"] == (None, {"image": 0, "step": 5, "steps": 5})
    assert named["preview"][1]["preview"].startswith("data:image/jpeg;base64,")
    number, image = named["image"]
    assert number is None
    assert (await slow_house.get(image["url"])).status_code == 200


async def test_steps_are_told_at_most_four_times_a_second(build):
    """A fast backend floods nobody: the last step is told, few before it."""
    house = await build(TestCard(steps=50, step_seconds=0.005))
    job_id = (await house.run()).json()["jobId"]
    steps = [body["step"] for name, _, body in parsed((await house.client.get(f"/api/v1/jobs/{job_id}/events")).text)
             if name == "step"]  # fmt: skip
    assert len(steps) <= 4
    assert steps == sorted(steps)


async def test_a_stream_resumes_after_the_event_last_seen(house):
    """With `Last-Event-ID` only what came later is told; an id that makes no sense tells all."""
    job_id = (await house.done())["jobId"]
    for seen, told in (("0", ["1", "2", "3"]), ("2", ["3"]), ("junk", ["1", "2", "3"])):
        answer = await house.client.get(f"/api/v1/jobs/{job_id}/events", headers={"Last-Event-ID": seen})
        events = parsed(answer.text)
        assert [number for _, number, _ in events] == told
        assert events[-1][2]["status"] == "completed"


async def test_a_client_that_saw_the_end_is_told_to_come_no_more(house):
    """At or past the last event of an ended job the answer is 204, on which browsers stop to reconnect."""
    job_id = (await house.done())["jobId"]
    for seen in ("3", "4", "999999999999999999"):
        answer = await house.client.get(f"/api/v1/jobs/{job_id}/events", headers={"Last-Event-ID": seen})
        assert (answer.status_code, answer.content) == (204, b"")


async def test_an_invented_event_id_hides_nothing_to_come(idle_house):
    """An id past the last event counts as the last: what happens later is told under its own number."""
    job_id = (await idle_house.run()).json()["jobId"]
    url, headers = f"/api/v1/jobs/{job_id}/events", {"Last-Event-ID": "999"}
    following = asyncio.create_task(idle_house.client.get(url, headers=headers))
    await asyncio.sleep(0.1)
    await idle_house.client.delete(f"/api/v1/jobs/{job_id}")
    assert [number for _, number, _ in parsed((await asyncio.wait_for(following, 2)).text)] == ["2"]


async def test_a_cancelled_job_ends_its_stream(idle_house):
    """A stream that waits is told of the cancel at once."""
    job_id = (await idle_house.run()).json()["jobId"]
    following = asyncio.create_task(idle_house.client.get(f"/api/v1/jobs/{job_id}/events"))
    await asyncio.sleep(0.1)
    await idle_house.client.delete(f"/api/v1/jobs/{job_id}")
    events = parsed((await asyncio.wait_for(following, 2)).text)
    assert [body["status"] for _, _, body in events] == ["pending", "cancelled"]


async def test_a_running_job_says_its_progress_and_stops_when_cancelled(build):
    """GET shows the newest step while it runs; DELETE ends it within a step and charges nothing."""
    house = await build(TestCard(steps=200, step_seconds=0.05))
    job_id = (await house.run()).json()["jobId"]
    for _ in range(100):
        await asyncio.sleep(0.02)
        job = (await house.client.get(f"/api/v1/jobs/{job_id}")).json()
        if job.get("progress", {}).get("step"):
            break
    assert (job["status"], job["progress"]["image"], job["progress"]["steps"]) == ("processing", 0, 200)
    assert (await house.client.delete(f"/api/v1/jobs/{job_id}")).status_code == 200
    events = parsed((await house.client.get(f"/api/v1/jobs/{job_id}/events")).text)
    assert (events[-1][2]["status"], events[-1][2]["creditCost"]) == ("cancelled", 0)


async def test_a_head_request_waits_for_nothing(idle_house):
    """HEAD tells the stream's headers at once, though the job has not ended."""
    job_id = (await idle_house.run()).json()["jobId"]
    answer = await asyncio.wait_for(idle_house.client.head(f"/api/v1/jobs/{job_id}/events"), 2)
    assert (answer.status_code, answer.headers["content-type"]) == (200, "text/event-stream; charset=utf-8")

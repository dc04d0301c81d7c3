"""The queue on the wire: submit, status, its stream, result, cancel."""

from __future__ import annotations

import asyncio
import base64
import io
import json
import uuid

import httpx2
import pytest
from PIL import Image

from fluxhouse.core.feed import Feed
from fluxhouse.worker.deadlines import Deadlines

DEV, SLOW, FAILING, UNSERVED = "fal-ai/flux/dev", "fal-ai/flux/schnell", "fal-ai/flux/krea", "fal-ai/flux-pro/new"
SMALL = {"prompt": "a red boat", "image_size": {"width": 256, "height": 256}}


def events(answer):
    return [json.loads(line.removeprefix("data: ")) for line in answer.text.splitlines() if line.startswith("data: ")]


@pytest.fixture(scope="module")
def done(caller):
    """A request of two pictures that has succeeded, and its result."""
    submitted = caller.submit(body=SMALL | {"num_images": 2, "seed": 7})
    return submitted, caller.result(submitted)


def test_a_submit_says_where_everything_is(live, done):
    """With a UUID for its id, and the app alone in the addresses."""
    body = done[0].json()
    own = f"{live.url}/fal/queue/fal-ai/flux/requests/{uuid.UUID(body['request_id'])}"
    assert done[0].status_code == 200
    assert (body["response_url"], body["status_url"], body["cancel_url"]) == (own, f"{own}/status", f"{own}/cancel")
    assert (body["status"], body["queue_position"]) == ("IN_QUEUE", 0)
    assert done[0].headers["x-fal-request-id"] == body["request_id"]


def test_a_result_is_the_bare_output(done):
    """With what each picture is like, whose address needs no key."""
    output = done[1].json()
    assert done[1].headers["x-fal-request-id"] == done[0].json()["request_id"]
    assert (output["seed"], output["prompt"], output["has_nsfw_concepts"]) == (7, "a red boat", [False, False])
    assert output["timings"]["inference"] >= 0
    for image in output["images"]:
        content = httpx2.get(image["url"]).content
        assert (image["content_type"], image["file_size"]) == ("image/jpeg", len(content))
        assert (image["width"], image["height"]) == (256, 256)


def test_a_status_says_how_far_a_request_is(caller):
    """202 until it has ended; logs where asked for, and null where not."""
    submitted = caller.submit(SLOW)
    running = caller.status(submitted)
    while running.json()["status"] == "IN_QUEUE":
        running = caller.status(submitted)
    assert (running.status_code, running.json()["status"], running.json()["logs"]) == (202, "IN_PROGRESS", None)
    assert [line["level"] for line in caller.status(submitted, "1").json()["logs"]][:1] == ["INFO"]
    early = caller.http.get(submitted.json()["response_url"])
    assert (early.status_code, early.json()["detail"]) == (400, "Request is still in progress")
    assert caller.result(submitted).status_code == 200
    ended = caller.status(submitted, "true")
    assert (ended.status_code, ended.json()["status"]) == (200, "COMPLETED")
    assert ended.json()["metrics"]["inference_time"] > 1
    assert "100%" in ended.json()["logs"][-1]["message"]


def test_the_stream_has_one_event_for_each_change(caller):
    """And each line of the logs once; it ends with the request."""
    submitted = caller.submit(SLOW)
    answer = caller.http.get(submitted.json()["status_url"] + "/stream", params={"logs": "1"})
    told = events(answer)
    assert answer.headers["content-type"].startswith("text/event-stream")
    assert [event["status"] for event in told][-1] == "COMPLETED"
    assert len(told) >= 4
    lines = [line["message"] for event in told for line in event.get("logs") or ()]
    assert len(lines) == len(set(lines)) >= 4


def test_a_running_request_is_cancelled(caller):
    """Its status is then COMPLETED with an error, for there is no other, and nothing is charged."""
    submitted = caller.submit(SLOW)
    cancelled = caller.http.put(submitted.json()["cancel_url"])
    assert (cancelled.status_code, cancelled.json()) == (202, {"status": "CANCELLATION_REQUESTED"})
    result = caller.result(submitted)
    assert (result.status_code, result.json()["error_type"]) == (499, "client_cancelled")
    assert result.headers["x-fal-error-type"] == "client_cancelled"
    assert caller.status(submitted).json()["error_type"] == "client_cancelled"
    again = caller.http.put(submitted.json()["cancel_url"])
    assert (again.status_code, again.json()) == (400, {"status": "ALREADY_COMPLETED"})


def test_a_failure_keeps_its_status(caller):
    """500 with a list of details, and whether trying again can help."""
    result = caller.result(caller.submit(FAILING))
    (detail,) = result.json()["detail"]
    assert (result.status_code, detail["type"], detail["msg"]) == (500, "internal_server_error", "The brush broke.")
    assert result.headers["x-fal-retryable"] == "true"


def test_nobody_elses_request_is_found(caller, stranger, done):
    """Nor one of another app, nor one that never was; without a key nobody finds anything."""
    body, other = done[0].json(), stranger(0)
    for url in ("response_url", "status_url"):
        assert other.http.get(body[url]).status_code == 404
    missing = other.http.put(body["cancel_url"])
    assert (missing.status_code, missing.json()["status"]) == (404, "NOT_FOUND")
    assert caller.http.get(body["response_url"].replace("fal-ai/flux/", "fal-ai/flux-lora/")).status_code == 404
    assert caller.http.get(body["response_url"].replace(body["request_id"], "x")).status_code == 404
    assert httpx2.get(body["response_url"]).status_code == 401


def test_refusals_at_submit(caller, stranger):
    """Each with its status; a key may come as `id:key`."""
    unknown = caller.submit("fal-ai/flux-9")
    assert (unknown.status_code, "not found" in unknown.json()["detail"]) == (404, True)
    unserved = caller.submit(UNSERVED)
    assert (unserved.status_code, unserved.json()["error_type"]) == (503, "runner_scheduling_failure")
    assert stranger(0).submit().status_code == 402
    headers = {"Authorization": caller.http.headers["authorization"].replace("Key ", "Key some-id:")}
    assert caller.submit(headers=headers).status_code == 200
    assert caller.submit(headers={"Authorization": "Key fh_wrong"}).status_code == 401
    assert caller.http.get("/fal/queue/fal-ai/flux/dev").json() == {
        "detail": "Method Not Allowed.",
        "error_type": "bad_request",
    }


def test_a_repeat_by_its_key_must_ask_for_the_same(caller):
    """Headers and webhook included."""
    first = caller.submit(headers={"Idempotency-Key": "fal-1"})
    again = caller.submit(headers={"Idempotency-Key": "fal-1"})
    assert again.json()["request_id"] == first.json()["request_id"]
    assert again.headers["idempotent-replayed"] == "true"
    other = caller.submit(headers={"Idempotency-Key": "fal-1", "X-Fal-Queue-Priority": "low"})
    assert (other.status_code, other.json()["error_type"]) == (422, "bad_request")


@pytest.fixture
def waiting(idle_house):
    """Submits to a house where nobody works."""

    async def submitted(headers=None, **query):
        headers = {"Authorization": f"Key {idle_house.key}", **(headers or {})}
        idle_house.client.headers = headers
        return await idle_house.client.post(f"/fal/queue/{DEV}", json=SMALL, params=query)

    return submitted


async def test_who_waits_knows_how_many_are_before_it(idle_house, waiting):
    """And who does not want to wait behind so many is told so; a waiting request is cancelled at once."""
    first, second = await waiting(), await waiting(fal_max_queue_length="1")
    assert [answer.json()["queue_position"] for answer in (first, second)] == [0, 1]
    status = await idle_house.client.get(second.json()["status_url"])
    assert (status.status_code, status.json()["queue_position"]) == (202, 1)
    full = await waiting(fal_max_queue_length="1")
    assert (full.status_code, "2 requests wait" in full.json()["detail"]) == (429, True)
    wrong = await waiting(fal_max_queue_length="few")
    assert (wrong.status_code, wrong.json()["detail"][0]["loc"]) == (422, ["query", "fal_max_queue_length"])
    assert (await idle_house.client.put(first.json()["cancel_url"])).status_code == 202
    assert (await idle_house.client.get(first.json()["response_url"])).status_code == 499


async def test_a_request_that_does_not_start_in_time_ends(idle_house, waiting):
    """With 504, said to be the caller's own wish, so that clients do not try again."""
    submitted = await waiting({"X-Fal-Request-Timeout": "1.5"})
    patient = await waiting()
    await asyncio.sleep(1.6)
    await Deadlines(idle_house.platform.database, Feed(), idle_house.clock).look()
    result = await idle_house.client.get(submitted.json()["response_url"])
    assert (result.status_code, result.json()["error_type"]) == (504, "request_timeout")
    assert result.headers["x-fal-request-timeout-type"] == "user"
    assert (await idle_house.client.get(patient.json()["status_url"])).json()["status"] == "IN_QUEUE"


def test_one_that_has_started_is_let_finish(caller):
    """However long after its time that is."""
    submitted = caller.submit(SLOW, headers={"X-Fal-Request-Timeout": "0.9"})
    assert caller.result(submitted).status_code == 200


def test_several_pictures_go_in(caller, png):
    """To the endpoint that takes several; their shape decides."""
    uri = "data:image/png;base64," + base64.b64encode(png).decode()
    body = {"prompt": "both", "image_urls": [uri, uri], "output_format": "png"}
    (image,) = caller.result(caller.submit("fal-ai/flux-pro/kontext/multi", body)).json()["images"]
    with Image.open(io.BytesIO(httpx2.get(image["url"]).content)) as picture:
        assert (picture.format, picture.size) == ("PNG", (1184, 880))

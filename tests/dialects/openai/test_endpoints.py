"""OpenAI's routes on the wire: what no SDK sends, and what becomes of a request that is not answered."""

from __future__ import annotations

import asyncio
import io
import json

from PIL import Image

from fluxhouse.core.job_search import Search, found
from fluxhouse.dialects.dialect import Door
from fluxhouse.dialects.openai import endpoints
from fluxhouse.engine.testcard import TestCard

GENERATE, EDIT = "/v1/images/generations", "/v1/images/edits"
SMALL = {"model": "flux-dev", "prompt": "a red boat", "size": "256x256"}


def refused(answer):
    """Status and fields of an error, whose four keys are always there."""
    error = answer.json()["error"]
    assert set(error) == {"message", "type", "param", "code"}
    return answer.status_code, error["param"], error["code"]


def picture_of(side):
    file = io.BytesIO()
    Image.new("RGB", (side, side), "red").save(file, "PNG")
    return file.getvalue()


def newest(connection, caller):
    return found(connection, caller.account.id, Search(), 1)[0]


JSON = {"Content-Type": "application/json"}
BODIES = [
    ({"content": b"[]", "headers": JSON}, (400, None, "invalid_request")),
    ({"content": b"a=b", "headers": {"Content-Type": "text/plain"}}, (415, None, "unsupported_media_type")),
    ({"json": SMALL | {"n": "2"}}, (400, "n", "invalid_parameter")),
    ({"content": json.dumps(SMALL | {"\ud800": 1}), "headers": JSON}, (400, "?", "invalid_parameter")),
    ({"json": SMALL, "params": {"n": "2"}}, (400, "n", "invalid_parameter")),
    ({"json": SMALL | {"webhook_url": "https://example.com"}}, (400, "webhook_url", "invalid_parameter")),
]


async def test_what_makes_no_sense_is_refused(house):
    """By its field, without a job."""
    for body, expected in BODIES:
        assert refused(await house.client.post(GENERATE, **body)) == expected
    assert (await house.credits())["balance"] == 100


async def test_what_is_not_there_answers_in_openais_words(house):
    """Addresses, methods and keys; the list of models too."""
    assert refused(await house.client.get("/v1/images/variations")) == (404, None, "not_found")
    assert refused(await house.client.get(GENERATE)) == (405, None, "method_not_allowed")
    assert refused(await house.get("/v1/models/flux-dev")) == (401, None, "invalid_api_key")
    unknown = (await house.get("/v1/models")).json()["error"]
    assert (unknown["type"], unknown["code"]) == ("invalid_request_error", "invalid_api_key")


async def test_the_list_of_models_is_openais(house):
    """The object that its clients look for."""
    body = (await house.client.get("/v1/models")).json()
    assert body["object"] == "list"
    assert {"id": "flux-dev", "object": "model", "created": 1722470400, "owned_by": "testcard"} in body["data"]


async def test_an_edit_may_be_json(house, picture):
    """With the addresses of pictures, or of uploaded files."""
    upload = await house.client.post("/api/v1/files", files={"file": ("a.png", picture)})
    file_id = upload.json()["fileId"]
    made = await house.client.post(GENERATE, json=SMALL)
    images = [{"file_id": file_id}, {"image_url": made.json()["data"][0]["url"]}]
    body = {"model": "flux-kontext-dev", "prompt": "both", "images": images, "size": "256x256"}
    answer = await house.client.post(EDIT, json=body)
    assert answer.status_code == 200, answer.text
    job = await house.platform.door.ask(house.key, None, newest)
    assert (job.request.task, len(job.request.inputs)) == ("edit", 2)


TWO_MASKS = [("image", b"x"), ("mask", b"x"), ("mask", b"x")]
FORMS = [
    ({"data": {"prompt": "x"}, "files": {"prompt": b"x"}}, (400, "prompt", "invalid_parameter")),
    ({"data": {"prompt": ["x", "y"]}, "files": {"image": b"x"}}, (400, "prompt", "invalid_parameter")),
    ({"data": {"prompt": "x"}, "files": {"note": b"x"}}, (400, "note", "invalid_parameter")),
    ({"data": {"prompt": "x"}, "files": {"mask": b"x"}}, (400, "image", "invalid_parameter")),
    ({"data": {"prompt": "x", "image": "x"}, "files": {"mask": b"x"}}, (400, "image", "invalid_parameter")),
    ({"data": {"prompt": "x", "image": "x"}, "files": {"image": b"x"}}, (400, "image", "invalid_parameter")),
    ({"data": {"prompt": "x", "n": "many"}, "files": {"image": b"x"}}, (400, "n", "invalid_parameter")),
    ({"data": {"prompt": "x"}, "files": [("image[]", b"x")] * 5}, (400, "image", "invalid_parameter")),
    (
        {"data": {"prompt": "x"}, "files": [("image", b"x"), ("mask", b"x"), ("mask", b"x")]},
        (400, "mask", "invalid_parameter"),
    ),
    ({"content": b"x", "headers": {"Content-Type": "multipart/form-data"}}, (400, None, "invalid_request")),
    ({"json": {"prompt": "x", "images": "x"}}, (400, "images", "invalid_parameter")),
    ({"json": {"prompt": "x", "images": [{"image_url": "x", "file_id": "y"}]}}, (400, "images", "invalid_parameter")),
    ({"json": {"prompt": "x", "images": [{"image_url": "ftp://x"}]}}, (400, "images", "invalid_image")),
]


async def test_a_form_that_makes_no_sense_is_refused(house):
    """By the part that is wrong."""
    for body, expected in FORMS:
        assert refused(await house.client.post(EDIT, **body)) == expected


async def test_a_stream_ends_when_the_process_does(build):
    """Its client is told, in the words that its SDK raises, and pays for nothing that it cannot get."""
    house = await build(TestCard(steps=4, step_seconds=5.0))
    asking = asyncio.create_task(house.client.post(GENERATE, json=SMALL | {"stream": True}))
    for _ in range(1000):
        await asyncio.sleep(0.02)
        # A job that waits would be cancelled without being asked to stop.
        if house.platform.door.feed._readers and (await house.platform.door.ask(house.key, None, newest)).started_at:
            break
    house.platform.door.feed.close()
    answer = await asking
    assert answer.headers["content-type"].startswith("text/event-stream")
    event, told, *_ = answer.text.splitlines()
    assert event == "event: error"
    assert json.loads(told.removeprefix("data: "))["error"]["code"] == "shutting_down"
    job = await house.platform.door.ask(house.key, None, newest)
    assert job.cancel_requested_at is not None


async def test_a_picture_that_takes_too_long_is_given_up(build, monkeypatch):
    """As long as SDKs wait, and no longer: nothing is charged."""
    monkeypatch.setattr(endpoints, "_LONGEST_SECONDS", 0.1)
    house = await build(TestCard(steps=4, step_seconds=5.0))
    assert refused(await house.client.post(GENERATE, json=SMALL)) == (500, None, "timeout")
    job = await house.platform.door.ask(house.key, None, newest)
    assert job.cancel_requested_at is not None


async def test_a_job_cancelled_elsewhere_is_no_failure_to_repeat(build):
    """The client is told not to try again."""
    house = await build(works=False)
    asking = asyncio.create_task(house.client.post(GENERATE, json=SMALL))
    for _ in range(100):
        await asyncio.sleep(0.02)
        if pages := (await house.client.get("/api/v1/jobs")).json()["jobs"]:
            break
    await house.client.delete(f"/api/v1/jobs/{pages[0]['jobId']}")
    answer = await asking
    assert refused(answer) == (409, None, "job_cancelled")
    assert answer.headers["x-should-retry"] == "false"


async def test_an_expired_answer_is_gone(house):
    """A repeat by idempotency key after the pictures have gone."""
    asked = {"json": SMALL | {"response_format": "b64_json"}, "headers": {"Idempotency-Key": "once"}}
    assert (await house.client.post(GENERATE, **asked)).status_code == 200
    job = await house.platform.door.ask(house.key, None, newest)
    await house.platform.door.remove_output(job)
    assert refused(await house.client.post(GENERATE, **asked)) == (410, None, "output_expired")


async def test_every_picture_costs_its_price(house):
    """And what fails its checks late leaves nothing behind: neither a charge nor a file."""
    assert (await house.client.post(GENERATE, json=SMALL | {"n": 3})).status_code == 200
    assert await house.credits() == {"balance": 97, "held": 0, "available": 97}
    form = {
        "data": {"prompt": "x", "model": "flux-kontext-dev"},
        "files": [("image[]", picture_of(8)), ("image[]", b"x")],
    }
    assert refused(await house.client.post(EDIT, **form)) == (400, "image", "invalid_image")
    assert await house.credits() == {"balance": 97, "held": 0, "available": 97}
    store = house.platform.settings.storage_folder
    assert store is not None
    kept = [path for path in store.rglob("*") if path.is_file()]
    assert len([path for path in kept if "outputs" in path.parts and path.suffix == ".png"]) == 3
    assert not [path for path in kept if "inputs" in path.parts]


async def test_a_stream_is_repeated_by_its_key(house):
    """The picture that was made, without its previews."""
    asked = {"json": SMALL | {"stream": True, "partial_images": 1}, "headers": {"Idempotency-Key": "once"}}
    first, again = [await house.client.post(GENERATE, **asked) for _ in range(2)]
    assert again.headers["idempotent-replayed"] == "true"
    done = [answer.text.strip().splitlines()[-1] for answer in (first, again)]
    pictures = [json.loads(line.removeprefix("data: "))["b64_json"] for line in done]
    assert pictures[0] == pictures[1]
    assert (await house.credits())["balance"] == 99


async def test_every_submit_tells_its_rate_and_its_job(house):
    """The job is that of the native API."""
    answer = await house.client.post(GENERATE, json=SMALL)
    assert answer.headers["x-ratelimit-limit"] == "600"
    job = (await house.client.get(f"/api/v1/jobs/{answer.headers['x-job-id']}")).json()
    assert (job["status"], job["model"]) == ("completed", "flux-dev")


async def test_a_crash_is_told_in_openais_words(house, monkeypatch):
    """And with nothing of its reason."""

    async def crash(*_arguments):
        raise RuntimeError("canary-inside")

    monkeypatch.setattr(Door, "ask", crash)
    answer = await house.client.post(GENERATE, json=SMALL)
    assert refused(answer) == (500, None, "server_error")
    assert "canary" not in answer.text

"""Runs that wait: the output in the answer, streams, and who hangs up."""

from __future__ import annotations

import base64
import io
import json
import time
from contextlib import suppress

import httpx2
from PIL import Image

DEV, SLOW, FAILING = "fal-ai/flux/dev", "fal-ai/flux/schnell", "fal-ai/flux/krea"
SMALL = {"prompt": "a red boat", "image_size": {"width": 256, "height": 256}}


def test_a_run_answers_with_the_output(caller):
    """In sync mode the pictures stand in it."""
    answer = caller.run(body=SMALL | {"sync_mode": True, "output_format": "png"})
    (image,) = answer.json()["images"]
    kind, _, text = image["url"].partition(";base64,")
    content = base64.b64decode(text, validate=True)
    assert (kind, len(content)) == ("data:image/png", image["file_size"])
    with Image.open(io.BytesIO(content)) as picture:
        assert (picture.format, picture.size) == ("PNG", (256, 256))
    assert answer.headers["x-fal-request-id"]


def test_a_refusal_says_where(caller):
    """A place is a list of words."""
    answer = caller.run(body=SMALL | {"image_size": {"width": 9}})
    message = "`image_size.width` must be from 256 to 1440."
    detail = {"loc": ["body", "image_size", "width"], "msg": message, "type": "value_error"}
    assert (answer.status_code, answer.json()) == (422, {"detail": [detail]})
    assert answer.headers["x-fal-retryable"] == "false"
    assert caller.http.post(f"/fal/run/{DEV}", content=b"{").json()["detail"][0]["loc"] == ["body"]


def test_who_hangs_up_cancels(caller):
    """But not who may come again by an idempotency key."""
    for headers, status in (({}, 499), ({"Idempotency-Key": "run-1"}, 200)):
        with suppress(httpx2.TimeoutException):
            caller.http.post(f"/fal/run/{SLOW}", json=SMALL, headers=headers, timeout=0.4)
        page = caller.http.get("/api/v1/jobs", headers=bearer(caller), params={"limit": "1"}).json()
        job_id = newest(page)
        url = f"/fal/queue/fal-ai/flux/requests/{job_id}"
        for _ in range(100):
            if caller.http.get(f"{url}/status").status_code == 200:
                break
            time.sleep(0.05)
        assert caller.http.get(url).status_code == status


def bearer(caller):
    return {"Authorization": caller.http.headers["authorization"].replace("Key", "Bearer")}


def newest(page):
    return page["jobs"][0]["jobId"].removeprefix("job_")


def test_a_stream_of_a_failure_ends_with_its_body(caller):
    """The status was sent before anything could go wrong; refusals still have their own."""
    answer = caller.run(f"{FAILING}/stream")
    last = [line for line in answer.text.splitlines() if line.startswith("data: ")][-1]
    assert (answer.status_code, json.loads(last[6:])["detail"][0]["type"]) == (200, "internal_server_error")
    assert caller.run(f"{FAILING}/stream", {}).status_code == 422

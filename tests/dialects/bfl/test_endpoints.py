"""BFL's contract on the wire: submits, every state, webhooks, credits and both shapes of error."""

from __future__ import annotations

import base64
import dataclasses
import hashlib
import hmac
import io
import json
import queue
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import httpx2
import pytest
from PIL import Image

from fluxhouse.core import jobs
from fluxhouse.core.keys import Limits
from fluxhouse.dialects.answering import of_uuid
from fluxhouse.dialects.bfl import answers
from fluxhouse.generation.errors import PromptRefused

SLOW, FAILING = "flux-schnell", "flux-krea-dev"
SMALL = {"prompt": "a red boat", "width": 256, "height": 256}


def png(mode="RGB", color="red"):
    file = io.BytesIO()
    Image.new(mode, (64, 48), color).save(file, "PNG")
    return base64.b64encode(file.getvalue()).decode()


def hole():
    """A picture whose left half is transparent."""
    image = Image.new("RGBA", (64, 48), "red")
    image.paste((0, 0, 0, 0), (0, 0, 32, 48))
    file = io.BytesIO()
    image.save(file, "PNG")
    return base64.b64encode(file.getvalue()).decode()


class Caller:
    """A client of this dialect."""

    def __init__(self, live, key):
        self.live = live
        self.http = httpx2.Client(base_url=live.url, headers={"x-key": key})

    def submit(self, body=SMALL, model="flux-dev", **headers):
        return self.http.post(f"/bfl/v1/{model}", json=body, headers=headers)

    def done(self, body=SMALL, model="flux-dev"):
        """The result of a task once it has ended, asked for as clients do."""
        answer = self.submit(body, model)
        assert answer.status_code == 200, answer.text
        for _ in range(200):
            result = self.http.get(answer.json()["polling_url"]).json()
            if result["status"] != "Pending":
                return result
            time.sleep(0.02)
        raise AssertionError("the task never ended")

    def job(self, task):
        job_id = of_uuid(task["id"])
        return self.live.do(self.live.platform.database.read(lambda connection: jobs.get(connection, job_id)))


@pytest.fixture(scope="module")
def caller(live):
    made = Caller(live, live.new_key(1000))
    yield made
    made.http.close()


@pytest.fixture
def receiver():
    """The address of a receiver of webhooks, and the (headers, body) pairs that it was sent."""
    got = queue.Queue()

    class Receiving(BaseHTTPRequestHandler):
        def do_POST(self):
            got.put((dict(self.headers.items()), self.rfile.read(int(self.headers["content-length"]))))
            self.send_response(204)
            self.end_headers()

        def log_message(self, *_arguments):
            """Nothing is printed."""

    listener = ThreadingHTTPServer(("127.0.0.1", 0), Receiving)
    thread = threading.Thread(target=listener.serve_forever, args=(0.05,))
    thread.start()
    yield f"http://127.0.0.1:{listener.server_port}/", got
    listener.shutdown()
    thread.join()
    listener.server_close()


def test_a_submit_answers_with_where_to_poll(caller, live):
    """With what it costs, and a UUID."""
    answer = caller.submit()
    body = answer.json()
    assert answer.headers["x-ratelimit-limit"] == "600"
    assert body == {
        "id": body["id"],
        "polling_url": f"{live.url}/bfl/v1/get_result?id={body['id']}",
        "cost": 1,
        "output_mp": 0.065536,
    }
    assert len(body["id"]) == 36


def test_a_task_becomes_ready(caller):
    """The result has the picture's address, its prompt, its seed and its times."""
    result = caller.done(SMALL | {"seed": 5})
    assert (result["status"], result["progress"], result["details"], result["preview"]) == ("Ready", 1.0, None, None)
    made = result["result"]
    assert (made["prompt"], made["seed"]) == ("a red boat", 5)
    assert made["end_time"] - made["start_time"] == pytest.approx(made["duration"], abs=1e-5)
    picture = httpx2.get(made["sample"])
    assert picture.headers["content-type"] == "image/jpeg"
    assert Image.open(io.BytesIO(picture.content)).size == (256, 256)


def test_the_printed_defaults_hold(caller):
    """Those of the contract, which prints them for flux-dev."""
    asked = caller.job(caller.submit({"prompt": "x"}).json()).request
    assert (asked.width, asked.height, asked.steps, asked.guidance, asked.format) == (1024, 768, 28, 3.0, "jpg")
    asked = caller.job(caller.submit({"prompt": "x"}, "flux-pro-1.1-ultra").json()).request
    assert (asked.model, asked.width, asked.height) == ("flux-1.1-pro-ultra", 2688, 1536)


def test_pictures_are_edited(caller):
    """Up to four, in base64 or by address; png unless asked otherwise, in the shape of the first or as asked for."""
    first = caller.done()["result"]["sample"]
    task = caller.submit({"prompt": "both", "input_image": png(), "input_image_2": first}, "flux-kontext-pro").json()
    asked = caller.job(task).request
    assert (asked.task, len(asked.inputs), asked.format, asked.width, asked.height) == ("edit", 2, "png", 1184, 880)
    ratio = {"prompt": "x", "input_image": png(), "aspect_ratio": "7:4"}
    assert caller.job(caller.submit(ratio, "flux-kontext-dev").json()).request.width == 1360


@pytest.mark.parametrize("body", [{"image": png(), "mask": png("L", "white")}, {"image": hole()}])
def test_pictures_are_filled(caller, body):
    """Where the mask is white, or where the picture itself is transparent."""
    asked = caller.job(caller.submit({"prompt": "a hat", **body}, "flux-pro-1.0-fill").json()).request
    assert (asked.model, asked.task, len(asked.inputs), asked.steps) == ("flux-fill-dev", "fill", 2, 50)


def test_a_running_task_is_pending_and_tells_how_far_it_is(caller):
    """From 0 to 1."""
    task = caller.submit(model=SLOW).json()
    seen = []
    for _ in range(100):
        result = caller.http.get(task["polling_url"]).json()
        seen.append((result["status"], result["progress"]))
        if result["status"] == "Ready":
            break
        time.sleep(0.05)
    assert seen[-1] == ("Ready", 1.0)
    assert {status for status, _ in seen[:-1]} == {"Pending"}
    assert any(0 < progress < 1 for _, progress in seen if progress is not None)


def test_a_failed_task_says_why(caller):
    """In its details; nothing is charged."""
    before = caller.http.get("/bfl/v1/credits").json()
    result = caller.done(model=FAILING)
    assert (result["status"], result["result"]) == ("Error", None)
    assert result["details"] == {"code": "generation_failed", "message": "The brush broke.", "retryable": True}
    assert caller.http.get("/bfl/v1/credits").json() == before


def test_a_cancelled_task_and_a_refused_prompt_have_their_states(caller):
    """A client that polls stops at both."""
    task = caller.submit(model=SLOW).json()
    key = caller.http.headers["x-key"]
    cancelled = caller.http.delete(
        f"/api/v1/jobs/job_{of_uuid(task['id'])}", headers={"Authorization": f"Bearer {key}"}
    )
    assert cancelled.status_code in (200, 202)
    for _ in range(100):
        result = caller.http.get(task["polling_url"]).json()
        if result["status"] != "Pending":
            break
        time.sleep(0.05)
    assert (result["status"], result["details"]["code"]) == ("Error", "cancelled")
    failed = caller.job(caller.done(model=FAILING))
    refused = jobs.JobError(PromptRefused.code, "No.", retryable=False)
    assert answers.task(dataclasses.replace(failed, error=refused), [])["status"] == "Request Moderated"


def test_the_id_alone_opens_a_task_of_this_dialect_only(caller, live):
    """As the contract has it: no key is declared for polling. With a key, the owner is checked."""
    task = caller.submit().json()
    assert httpx2.get(task["polling_url"]).status_code == 200
    assert httpx2.get(task["polling_url"], headers={"x-key": live.new_key()}).status_code == 404
    native = caller.http.post(
        "/api/v1/models/flux-dev/run", json=SMALL, headers={"Authorization": f"Bearer {caller.http.headers['x-key']}"}
    )
    other = native.json()["jobId"].removeprefix("job_")
    for unknown in (other, "0" * 32, "x"):
        answer = httpx2.get(f"{live.url}/bfl/v1/get_result", params={"id": unknown})
        assert (answer.status_code, answer.json()["status"]) == (404, "Task not found")


def test_a_webhook_tells_the_result_and_is_signed(caller, receiver):
    """As polling says it; BFL's signature is made with the secret that came with the task."""
    url, got = receiver
    answer = caller.submit(SMALL | {"webhook_url": url, "webhook_secret": "s3cret"}).json()
    assert (answer["status"], answer["webhook_url"]) == ("Pending", url)
    headers, body = got.get(timeout=10)
    expected = hmac.new(b"s3cret", body, hashlib.sha256).hexdigest()
    assert headers["X-BFL-Signature"] == f"sha256={expected}"
    assert headers["webhook-id"]
    told = json.loads(body)
    assert told.pop("timestamp").endswith("Z")
    assert told == caller.http.get(answer["polling_url"]).json()
    caller.submit(SMALL | {"webhook_url": url})
    assert "X-BFL-Signature" not in got.get(timeout=10)[0]


def test_credits_are_what_is_left(live):
    """And need a key."""
    answer = httpx2.get(f"{live.url}/bfl/v1/credits", headers={"x-key": live.new_key(7)})
    assert answer.json() == {"credits": 7}
    assert httpx2.get(f"{live.url}/bfl/v1/credits").status_code == 403


REFUSED = [
    ("flux-dev", {"prompt": " "}, "prompt"),
    ("flux-dev", {"width": 300}, "width"),
    ("flux-dev", {"width": 2048}, "width"),
    ("flux-dev", {"steps": 51}, "steps"),
    ("flux-dev", {"guidance": 1}, "guidance"),
    ("flux-dev", {"seed": -1}, "seed"),
    ("flux-dev", {"prompt_upsampling": True}, "prompt_upsampling"),
    ("flux-dev", {"image_prompt": png()}, "image_prompt"),
    ("flux-dev", {"safety_tolerance": 7}, "safety_tolerance"),
    ("flux-dev", {"output_format": "gif"}, "output_format"),
    ("flux-dev", {"webhook_url": "ftp://x"}, "webhook_url"),
    ("flux-dev", {"webhook_url": "https://10.0.0.1/"}, "webhook_url"),
    ("flux-dev", {"num_images": 2}, "num_images"),
    ("flux-pro-1.1-ultra", {"raw": True}, "raw"),
    ("flux-pro-1.1-ultra", {"aspect_ratio": "5:1"}, "aspect_ratio"),
    ("flux-pro-1.1-ultra", {"aspect_ratio": "wide"}, "aspect_ratio"),
    ("flux-kontext-pro", {"input_image": "no base64"}, "input_image"),
    ("flux-kontext-pro", {"input_image_2": png(), "input_image": png()[:80]}, "input_image"),
    ("flux-pro-1.0-fill", {}, "image"),
    ("flux-pro-1.0-fill", {"image": png()}, "image"),
    ("flux-pro-1.0-fill", {"image": png(), "mask": png("L", "black")}, "mask"),
]


def test_what_is_wrong_with_a_body_is_told_by_its_field(caller):
    """As a list, 422, with nothing charged."""
    before = caller.http.get("/bfl/v1/credits").json()
    for model, change, field in REFUSED:
        answer = caller.submit({"prompt": "a red boat"} | change, model)
        assert answer.status_code == 422, (change, answer.text)
        (wrong,) = answer.json()["detail"]
        assert wrong["loc"] == ["body", field]
        assert set(wrong) == {"loc", "msg", "type"}
    assert caller.http.get("/bfl/v1/credits").json() == before


def test_a_field_of_another_model_is_passed_over(caller):
    """As at the vendor: its clients send `aspect_ratio` to every model."""
    asked = caller.job(caller.submit(SMALL | {"aspect_ratio": "1:1", "raw": True}).json()).request
    assert (asked.width, asked.height) == (256, 256)


def test_other_errors_are_one_sentence(caller, live):
    """402, 403, 404, 405, 409's kin, 429 and 503."""

    def refused(answer):
        assert isinstance(answer.json()["detail"], str)
        return answer.status_code

    def as_caller(key):
        return httpx2.post(f"{live.url}/bfl/v1/flux-dev", json=SMALL, headers={"x-key": key})

    assert refused(as_caller("fh_wrong")) == 403
    assert refused(as_caller(live.new_key(0))) == 402
    hurried = live.new_key(limits=Limits(rate_per_minute=1))
    assert as_caller(hurried).status_code == 200
    limited = as_caller(hurried)
    assert (refused(limited), "retry-after" in limited.headers) == (429, True)
    assert refused(caller.submit(model="flux-2-pro")) == 404
    assert refused(caller.http.get("/bfl/v1/flux-dev")) == 405
    assert refused(caller.http.post("/bfl/v1/flux-dev", content=b"x", headers={"Content-Type": "text/plain"})) == 415


def test_a_repeat_by_idempotency_key_is_one_task(caller):
    """As in every dialect; with another body it is refused."""
    first = caller.submit(**{"Idempotency-Key": "one"})
    again = caller.submit(**{"Idempotency-Key": "one"})
    assert (again.json(), again.headers["idempotent-replayed"]) == (first.json(), "true")
    other = caller.submit(SMALL | {"prompt": "y"}, **{"Idempotency-Key": "one"})
    assert (other.status_code, other.json()["detail"][0]["type"]) == (422, "idempotency_mismatch")

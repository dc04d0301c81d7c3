"""Run and quote as a client of the native API sees them."""

import asyncio
import base64
import io
from dataclasses import replace

import httpx2
import pytest
from PIL import Image

from fluxhouse.core.keys import Limits
from fluxhouse.engine.testcard import TestCard
from fluxhouse.generation.errors import OutOfMemory

SMALL = {"prompt": "a red boat", "width": 256, "height": 256}


async def error_of(answer):
    body = answer.json()
    assert set(body) == {"error"}
    assert body["error"]["status"] == answer.status_code
    return body["error"]


async def test_the_seed_pages_curl_is_answered_to_the_letter(idle_house):
    """A submit answers 202 with exactly the contract's six fields."""
    answer = await idle_house.run({"prompt": "A beautiful mountain landscape at golden hour", "aspect_ratio": "1:1"})
    body = answer.json()
    assert answer.status_code == 202
    assert set(body) == {"jobId", "status", "statusUrl", "creditCost", "creditsRemaining", "expiresAt"}
    assert body["jobId"].startswith("job_")
    assert body["statusUrl"] == f"http://house.test/api/v1/jobs/{body['jobId']}" == answer.headers["location"]
    assert (body["status"], body["creditCost"], body["creditsRemaining"]) == ("pending", 1, 99)
    assert len(body["expiresAt"]) == 20
    assert body["expiresAt"].endswith("Z")


async def test_a_waiting_submit_answers_the_finished_job(house):
    """With `Prefer: wait` the answer is 200, the contract's completed body and its facts."""
    job = await house.done({**SMALL, "num_outputs": 2, "seed": 7})
    assert list(job)[:2] == ["jobId", "status"]
    assert job["status"] == "completed"
    assert len(job["output"]["images"]) == job["creditCost"] == 2
    assert [asset["seed"] for asset in job["assets"]] == [7, 8]
    assert (job["model"], job["servedBy"], job["prompt"], job["seed"]) == ("flux", "testcard", "a red boat", 7)
    assert job["timings"]["inference"] > 0
    assert {"createdAt", "startedAt", "completedAt", "expiresAt"} <= set(job)


@pytest.mark.parametrize(
    ("kind", "format"), [("image/png", "PNG"), ("image/jpeg", "JPEG"), ("image/webp", "WEBP"), ("image/*", "PNG")]
)
async def test_a_picture_is_answered_where_one_is_accepted(house, kind, format):
    """With `Accept: image/...` as well the body is the picture, in the format asked for."""
    answer = await house.run(Prefer="wait=30", Accept=kind)
    assert answer.status_code == 200
    assert answer.headers["x-job-id"].startswith("job_")
    with Image.open(io.BytesIO(answer.content)) as image:
        assert (image.format, image.size) == (format, (256, 256))
    assert answer.headers["content-type"] == f"image/{format.lower()}"
    assert (await house.get(answer.headers["content-location"])).content == answer.content


async def test_a_format_that_contradicts_accept_is_refused(house):
    """`output_format` and `Accept` must agree."""
    answer = await house.run({**SMALL, "output_format": "png"}, Prefer="wait", Accept="image/jpeg")
    error = await error_of(answer)
    assert (answer.status_code, error["code"], error["field"]) == (400, "invalid_parameter", "output_format")
    assert (await house.credits())["available"] == 100


async def test_a_wait_that_runs_out_is_answered_as_accepted(idle_house):
    """When the time is over before the job is, the answer is the 202 of a plain submit."""
    answer = await idle_house.run(Prefer="wait=1", Accept="image/png")
    assert answer.status_code == 202
    assert answer.headers["preference-applied"] == "wait=1"
    assert answer.json()["status"] == "pending"


HUNG_UP = {"prompt": "a red boat"}


async def hung_up(house, *more_headers):
    """A waiting submit whose client goes away once its job is there."""
    app = house.platform.app
    gone = asyncio.Event()
    messages = [{"type": "http.request", "body": httpx2.Request("POST", "http://house", json=HUNG_UP).content}]

    async def receive():
        if messages:
            return messages.pop()
        await gone.wait()
        return {"type": "http.disconnect"}

    async def send(message):
        pass

    headers = [(b"authorization", f"Bearer {house.key}".encode()), (b"prefer", b"wait=30"), *more_headers]
    scope = {"type": "http", "method": "POST", "path": "/api/v1/models/flux/run", "query_string": b"", "root_path": ""}
    call = asyncio.create_task(app({**scope, "headers": headers, "asgi": {"version": "3.0"}}, receive, send))
    for _ in range(100):
        await asyncio.sleep(0.02)
        if (await house.credits())["held"]:
            break
    gone.set()
    await asyncio.wait_for(call, 5)


async def test_a_disconnected_wait_cancels_its_job(idle_house):
    """A client that goes away while it waits pays nothing and leaves no work behind."""
    await hung_up(idle_house)
    (job,) = (await idle_house.client.get("/api/v1/jobs")).json()["jobs"]
    assert (job["status"], job["creditCost"]) == ("cancelled", 0)
    assert (await idle_house.credits()) == {"balance": 100, "held": 0, "available": 100}


async def test_an_idempotency_key_replays_the_first_answer(house):
    """The same submit again answers the same body, makes no second job and says that it did not."""
    first = await house.run(**{"Idempotency-Key": "order-1"})
    await house.done()
    again = await house.run(**{"Idempotency-Key": "order-1"})
    assert (again.status_code, again.json()) == (202, first.json())
    assert "idempotent-replayed" not in first.headers
    assert again.headers["idempotent-replayed"] == "true"
    assert len((await house.client.get("/api/v1/jobs")).json()["jobs"]) == 2


async def test_a_replay_outlives_its_model(house):
    """A repeat is answered as the first submit was, though nobody serves the model any more; a new one is not."""
    first = await house.run(**{"Idempotency-Key": "order-1"})
    door = house.platform.door
    door.options = replace(door.options, serving={})
    again = await house.run(**{"Idempotency-Key": "order-1"})
    assert (again.status_code, again.json()) == (202, first.json())
    assert (await house.run(**{"Idempotency-Key": "order-2"})).status_code == 503


async def test_what_accept_asks_for_is_part_of_the_request(house):
    """The same body for another file type is another request: its key fits no longer."""
    asked = {"Idempotency-Key": "order-1", "Prefer": "wait"}
    first = await house.run(**asked, Accept="image/png")
    again = await house.run(**asked, Accept="image/png")
    assert (again.content, again.headers["x-job-id"]) == (first.content, first.headers["x-job-id"])
    other = await house.run(**asked, Accept="image/webp")
    assert (await error_of(other))["code"] == "idempotency_mismatch"


async def test_a_wait_with_a_key_leaves_its_job_for_the_repeat(idle_house):
    """A client that loses its connection comes again with the same key and finds its job as it was."""
    await hung_up(idle_house, (b"idempotency-key", b"order-1"))
    (job,) = (await idle_house.client.get("/api/v1/jobs")).json()["jobs"]
    again = await idle_house.run(HUNG_UP, **{"Idempotency-Key": "order-1"})
    assert (again.json()["jobId"], job["status"]) == (job["jobId"], "pending")


async def test_an_idempotency_key_fits_one_body_only(house):
    """Another body under the same key is refused with 422 and costs nothing."""
    await house.run(**{"Idempotency-Key": "order-1"})
    answer = await house.run({**SMALL, "prompt": "another"}, **{"Idempotency-Key": "order-1"})
    assert (await error_of(answer))["code"] == "idempotency_mismatch"
    assert answer.status_code == 422


@pytest.mark.parametrize("key", ["", " ", "x" * 256, "two words", "é"])
async def test_an_unusable_idempotency_key_is_refused(idle_house, key):
    """A key is 1 to 255 visible ASCII characters."""
    headers = {"Idempotency-Key": key.encode("latin-1")}
    answer = await idle_house.client.post("/api/v1/models/flux/run", json=SMALL, headers=headers)
    assert (answer.status_code, (await error_of(answer))["field"]) == (400, "Idempotency-Key")


async def test_every_submit_tells_the_rate(idle_house):
    """Accepted and refused submits alike carry the rate headers, and both count."""
    accepted = await idle_house.run()
    refused = await idle_house.run({"prompt": ""})
    for answer, remaining in ((accepted, 599), (refused, 598)):
        assert answer.headers["x-ratelimit-limit"] == "600"
        assert answer.headers["x-ratelimit-remaining"] == str(remaining)
        assert answer.headers["ratelimit-policy"] == '"submits";q=600;w=60'
        assert answer.headers["ratelimit"].startswith(f'"submits";r={remaining};t=')
        assert int(answer.headers["x-ratelimit-reset"]) > idle_house.clock.now().timestamp()


async def test_a_rate_that_is_used_up_answers_429(idle_house):
    """Over the rate the answer names the seconds to wait, and nothing is held."""
    key = await idle_house.account("hasty", limits=Limits(rate_per_minute=1))
    answers = [await idle_house.run(Authorization=f"Bearer {key}") for _ in range(2)]
    assert [answer.status_code for answer in answers] == [202, 429]
    assert 1 <= int(answers[1].headers["retry-after"]) <= 60
    assert (await error_of(answers[1]))["code"] == "rate_limited"


async def test_a_body_over_the_rate_is_not_even_read(idle_house):
    """Who is over the rate makes us parse nothing, neither as a submit nor as a quote."""
    key = await idle_house.account("hasty", limits=Limits(rate_per_minute=1))
    asked = {"Authorization": f"Bearer {key}"}
    assert (await idle_house.run(**asked)).status_code == 202
    for call in ("run", "quote"):
        answer = await idle_house.client.post(f"/api/v1/models/flux/{call}", content=b"not JSON", headers=asked)
        assert (answer.status_code, (await error_of(answer))["code"]) == (429, "rate_limited")


async def test_a_large_quote_costs_as_much_rate_as_a_submit(idle_house):
    """A quote is free, but megabytes to parse are not."""
    key = await idle_house.account("curious", limits=Limits(rate_per_minute=2))
    url, asked = "/api/v1/models/flux/quote", {"Authorization": f"Bearer {key}"}
    body = SMALL | {"input_image": "data:image/png;base64," + "A" * 100_000}
    answers = [await idle_house.client.post(url, json=each, headers=asked) for each in (SMALL, SMALL, body, body, body)]
    assert [answer.status_code for answer in answers] == [200, 200, 200, 200, 429]


async def test_credits_that_do_not_suffice_answer_402(idle_house):
    """Too few credits and a used-up spend cap are told apart, with the amounts."""
    poor = await idle_house.account("poor", credits=1)
    answer = await idle_house.run({**SMALL, "num_outputs": 2}, Authorization=f"Bearer {poor}")
    error = await error_of(answer)
    assert answer.status_code == 402
    assert (error["code"], error["creditsRequired"], error["creditsAvailable"]) == ("insufficient_credits", 2, 1)
    capped = await idle_house.account("capped", limits=Limits(spend_cap_micro=500_000))
    answer = await idle_house.run(Authorization=f"Bearer {capped}")
    assert (answer.status_code, (await error_of(answer))["code"]) == (402, "spend_cap_reached")


@pytest.mark.parametrize(
    ("body", "code", "field"),
    [
        ({}, "invalid_parameter", "prompt"),
        ({"prompt": "x", "nonsense": 1}, "invalid_parameter", "nonsense"),
        ({"prompt": "x", "prompt_upsampling": True}, "unsupported_parameter", "prompt_upsampling"),
        ({"prompt": "x", "num_outputs": 9}, "invalid_parameter", "num_outputs"),
        ({"prompt": "x", "input_image": "file_unknown"}, "invalid_image", "input_image"),
        ({"prompt": "x", "input_image": "nonsense"}, "invalid_parameter", "input_image"),
        ({"prompt": "x", "input_image": "http://127.0.0.1/x.png"}, "invalid_image", "input_image"),
        ({"prompt": "x", "input_image": "http://house.test/outputs/x/0.png"}, "invalid_image", "input_image"),
        ({"prompt": "x", "input_image": "data:image/png;base64,AAAA"}, "invalid_image", "input_image"),
    ],
)
async def test_bad_input_is_refused_by_name_and_free(idle_house, body, code, field):
    """A refusal names the field, charges nothing and shows in usage."""
    answer = await idle_house.run(body)
    error = await error_of(answer)
    assert (answer.status_code, error["code"], error["field"]) == (400, code, field)
    assert (await idle_house.credits())["available"] == 100
    assert (await idle_house.client.get("/api/v1/usage")).json()["totals"]["refused"] == 1


@pytest.mark.parametrize(
    ("content", "kind", "status"),
    [
        (b"{", "application/json", 400),
        (b"[1]", "application/json", 400),
        (b'{"prompt": NaN}', "application/json", 400),
        (b'{"seed": ' + b"9" * 5000 + b"}", "application/json", 400),
        (b"[" * 100_000, "application/json", 400),
        (b"\xff\xfe", "application/json", 400),
        (b"prompt=x", "application/x-www-form-urlencoded", 415),
    ],
)
async def test_a_body_that_is_no_json_object_is_refused(idle_house, content, kind, status):
    """Malformed bodies get the error body too."""
    headers = {"Content-Type": kind}
    answer = await idle_house.client.post("/api/v1/models/flux/run", content=content, headers=headers)
    assert answer.status_code == (await error_of(answer))["status"] == status


async def test_a_body_is_capped_while_it_is_read(idle_house):
    """More than 32 MiB are refused, announced or not."""
    for content in (b" " * (32 * 1024 * 1024 + 1), endless()):
        answer = await idle_house.client.post("/api/v1/models/flux/run", content=content)
        assert (answer.status_code, (await error_of(answer))["code"]) == (413, "body_too_large")


async def endless():
    for _ in range(40):
        yield b" " * 1024 * 1024


async def test_doors_stay_shut_without_a_key_that_fits(idle_house):
    """No key, a wrong key, a key without the scope or the model: 401 and 403, each before anything else."""
    for header in ("", "Bearer nonsense", f"Basic {idle_house.key}", f"Bearer {idle_house.key[::-1]}"):
        answer = await idle_house.run({"prompt": ""}, Authorization=header)
        assert (answer.status_code, (await error_of(answer))["code"]) == (401, "invalid_api_key")
    reader = await idle_house.account("reader", limits=Limits(scopes=frozenset({"read"})))
    answer = await idle_house.run(Authorization=f"Bearer {reader}")
    assert (answer.status_code, (await error_of(answer))["code"]) == (403, "key_not_allowed")
    narrow = await idle_house.account("narrow", limits=Limits(models=frozenset({"flux-schnell"})))
    assert (await idle_house.run(Authorization=f"Bearer {narrow}")).status_code == 403
    assert (await idle_house.run(model="flux-schnell", Authorization=f"Bearer {narrow}")).status_code == 202


async def test_an_unknown_model_is_not_found_and_an_unserved_one_unavailable(build, monkeypatch):
    """404 for an id that no catalog has, 503 for one that nobody makes here."""
    house = await build(works=False)
    answer = await house.run(model="flux-9000")
    assert (answer.status_code, (await error_of(answer))["code"]) == (404, "model_not_found")
    monkeypatch.setattr(house.platform.door.options.serving, "is_off", lambda model: model == "flux-schnell")
    answer = await house.run(model="flux-schnell")
    assert (answer.status_code, (await error_of(answer))["code"]) == (503, "model_unavailable")
    usage = (await house.client.get("/api/v1/usage")).json()
    assert {entry["model"] for entry in usage["entries"]} == {"unknown", "flux-schnell"}


async def test_input_images_come_in_by_every_way(house, picture):
    """A data URI, an uploaded file and an output of our own make the same variation as their bytes say."""
    uploaded = (await house.client.post("/api/v1/files", content=picture, headers={"Content-Type": "image/png"})).json()
    first = await house.done()
    uri = "data:image/png;base64," + base64.b64encode(picture).decode()
    jobs = {
        value[:9]: await house.done({"prompt": "a boat", "seed": 1, "input_image": value, "aspect_ratio": "1:1"})
        for value in (uri, uploaded["fileId"], first["output"]["images"][0])
    }
    pictures = [(await house.get(job["output"]["images"][0])).content for job in jobs.values()]
    assert pictures[0] == pictures[1] != pictures[2]


async def test_a_foreign_file_is_unknown_as_an_input(house, picture):
    """A file id of another account is refused like one that never was."""
    other = await house.account("other")
    headers = {"Content-Type": "image/png", "Authorization": f"Bearer {other}"}
    uploaded = (await house.client.post("/api/v1/files", content=picture, headers=headers)).json()
    answer = await house.run({"prompt": "x", "input_image": uploaded["fileId"]})
    assert (answer.status_code, (await error_of(answer))["code"]) == (400, "invalid_image")


async def test_inputs_of_a_refused_submit_are_forgotten(idle_house, picture):
    """What was kept for a request that is then refused does not stay in the store."""
    poor = await idle_house.account("poor", limits=Limits(spend_cap_micro=0))
    uri = "data:image/png;base64," + base64.b64encode(picture).decode()
    answer = await idle_house.run({"prompt": "x", "input_image": uri}, Authorization=f"Bearer {poor}")
    assert answer.status_code == 402
    assert [key async for key in idle_house.platform.door.storage.keys("inputs/")] == []


async def test_a_quote_prices_without_holding(idle_house):
    """A quote validates like a run, says what it would cost and how large it would be, and takes nothing."""
    body = {"prompt": "x", "num_outputs": 3, "model": "flux-1.1-pro-ultra", "aspect_ratio": "16:9"}
    answer = await idle_house.client.post("/api/v1/models/flux/quote", json=body)
    quoted = answer.json()
    assert (quoted["model"], quoted["servingModel"], quoted["numOutputs"]) == ("flux", "flux-1.1-pro-ultra", 3)
    assert (quoted["creditsPerImage"], quoted["creditCost"], quoted["usdCost"]) == (1.5, 4.5, 0.1125)
    assert quoted["creditsRemaining"] == 100
    assert quoted["width"] > quoted["height"]
    refused = await idle_house.client.post("/api/v1/models/flux/quote", json={})
    assert (refused.status_code, refused.json()["error"]["field"]) == (400, "prompt")
    assert (await idle_house.credits())["held"] == 0


async def test_a_failed_job_is_free_and_answers_an_error_for_a_picture(build):
    """A waiting caller of a picture gets the job's own error; the job stays, free of charge."""
    house = await build(Failing())
    answer = await house.run(Prefer="wait", Accept="image/png")
    error = await error_of(answer)
    assert (answer.status_code, error["code"]) == (503, "out_of_memory")
    job = await house.done()
    assert (job["status"], job["creditCost"]) == ("failed", 0)
    assert job["error"] == {"code": "out_of_memory", "message": "no room", "retryable": False}
    assert (await house.credits()) == {"balance": 100, "held": 0, "available": 100}


class Failing(TestCard):
    """Has no memory for anything."""

    async def generate(self, request, inputs):
        raise OutOfMemory("no room")
        yield

"""Pixazo's routes from submit to picture, in both generations, and every way to be refused."""

from __future__ import annotations

import base64
import re
from datetime import timedelta
from typing import Any

import pytest

from fluxhouse.core import keys, usage
from fluxhouse.core.keys import Limits, Scope
from fluxhouse.generation.errors import EngineCrashed
from fluxhouse.generation.request import Task

UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")
NEVER = "0c22795e-5440-4e11-92d3-e5d967755d09"
SUBMIT = "/flux-dev/v1/dev/textToImage"
VARY = "/flux-dev/v1/dev/imageToImage"
RESULT = "/flux-dev-polling/dev/getFluxDevStatus"
DENIED = {"error": "Invalid or missing authentication"}


def without_message(body: dict[str, Any]) -> dict[str, Any]:
    assert body.pop("message")
    return body


async def test_one_reply_serves_both_generations(gateway: Any) -> None:
    """A submit answers 200 with an id, a status and an address to poll, and the job is the model's at its price."""
    response = await gateway.submit()
    body = response.json()
    assert response.status_code == 200
    assert UUID.fullmatch(body["request_id"])
    assert body == {
        "request_id": body["request_id"],
        "status": "QUEUED",
        "polling_url": f"http://pixazo.test/v2/requests/status/{body['request_id']}",
    }
    job = await gateway.job(body["request_id"])
    assert (job.dialect, job.model, job.price_micro) == ("pixazo", "flux-dev", 1_000_000)
    assert (
        await gateway.client.get(body["polling_url"], headers={"Ocp-Apim-Subscription-Key": gateway.key})
    ).is_success


async def test_the_finished_result_is_the_seed_pages_body(gateway: Any) -> None:
    """A finished poll has exactly the fields of the vendor's example, the picture among them."""
    request_id = await gateway.submitted({"prompt": "A sunset over a mountain range", "seed": 1551468471})
    await gateway.make()
    response = await gateway.poll(request_id)
    body = response.json()
    url = body["images"][0].pop("url")
    assert response.status_code == 200
    assert body == {
        "images": [{"width": 1024, "height": 768, "content_type": "image/jpeg"}],
        "timings": {"inference": 1.25},
        "seed": 1551468471,
        "has_nsfw_concepts": [False],
        "prompt": "A sunset over a mountain range",
    }
    own = gateway.door.signer.own_key(url)
    assert (await gateway.door.storage.get(own.key)).startswith(b"\xff\xd8")


async def test_every_image_is_listed(gateway: Any) -> None:
    """Several images have an entry and a flag each."""
    request_id = await gateway.submitted({"prompt": "foxes", "num_images": 3, "output_format": "png"})
    await gateway.make()
    body = (await gateway.poll(request_id)).json()
    assert [image["content_type"] for image in body["images"]] == ["image/png"] * 3
    assert len({image["url"] for image in body["images"]}) == 3
    assert body["has_nsfw_concepts"] == [False] * 3


async def test_an_unfinished_poll_has_no_images(gateway: Any) -> None:
    """Waiting and being made are told apart by the status, in both generations."""
    request_id = await gateway.submitted()
    assert (await gateway.poll(request_id)).json() == {"request_id": request_id, "status": "QUEUED"}
    assert (await gateway.status(request_id)).json()["status"] == "QUEUED"
    await gateway.claim()
    assert (await gateway.poll(request_id)).json() == {"request_id": request_id, "status": "PROCESSING"}
    assert (await gateway.status(request_id)).json()["status"] == "PROCESSING"


async def test_the_envelope_of_the_second_generation(gateway: Any) -> None:
    """The envelope's output is null until the images stand, and its times have milliseconds."""
    request_id = await gateway.submitted()
    waiting = (await gateway.status(request_id)).json()
    assert (waiting["output"], waiting["error"], waiting["completed_at"]) == (None, None, None)
    gateway.clock.time += timedelta(seconds=3)
    await gateway.make()
    body = (await gateway.status(request_id)).json()
    (url,) = body["output"].pop("media_url")
    assert gateway.door.signer.own_key(url) is not None
    assert all(MOMENT.fullmatch(body[name]) for name in ("created_at", "updated_at", "completed_at"))
    assert body == {
        "request_id": request_id,
        "status": "COMPLETED",
        "model_id": "flux-dev",
        "error": None,
        "output": {"media_type": "image/jpeg"},
        "created_at": "2026-03-01T12:00:00.123Z",
        "updated_at": "2026-03-01T12:00:03.123Z",
        "completed_at": "2026-03-01T12:00:03.123Z",
    }


@pytest.mark.parametrize("spelling", ["{}", "flux-dev_{}"])
async def test_polls_take_each_spelling_of_the_id(gateway: Any, spelling: str) -> None:
    """The id may carry the model's name, and comes back as it was sent."""
    request_id = spelling.format(await gateway.submitted())
    assert (await gateway.poll(request_id)).json()["request_id"] == request_id
    assert (await gateway.status(request_id)).json()["request_id"] == request_id


@pytest.mark.parametrize("names", [("request_id",), ("requestId",), ("request_id", "requestId")])
async def test_polls_take_each_name_of_the_id(gateway: Any, names: tuple[str, ...]) -> None:
    """Clients write the field in two ways, some in both at once."""
    request_id = await gateway.submitted()
    response = await gateway.client.post(RESULT, json=dict.fromkeys(names, request_id))
    assert response.json() == {"request_id": request_id, "status": "QUEUED"}


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "request_id"),
        ({"request_id": None}, "request_id"),
        ({"request_id": 7}, "request_id"),
        ({"request_id": "x" * 101}, "request_id"),
        ({"request_id": NEVER, "requestId": NEVER.replace("0", "1")}, "requestId"),
        ({"request_id": NEVER, "wait": True}, "wait"),
    ],
)
async def test_a_poll_that_asks_for_nothing_is_refused_by_name(gateway: Any, body: Any, field: str) -> None:
    """A poll needs one id and takes nothing else."""
    response = await gateway.client.post(RESULT, json=body)
    assert response.status_code == 400
    assert without_message(response.json()) == {"error": "Invalid request parameters", "field": field}


@pytest.mark.parametrize("request_id", [NEVER, "job_1", "../x", "é"])
async def test_an_unknown_request_is_not_found(gateway: Any, request_id: str) -> None:
    """An id that was never given out is 404 in both generations, whatever it looks like."""
    assert (await gateway.poll(request_id)).status_code == 404
    assert (await gateway.poll(request_id, gateway.key)).status_code == 404
    response = await gateway.client.get(
        "/v2/requests/status/" + NEVER, headers={"ocp-apim-subscription-key": gateway.key}
    )
    assert (response.status_code, response.json()["error"]) == (404, "Endpoint not found")


async def test_with_a_key_the_owner_is_checked(gateway: Any) -> None:
    """The id alone opens the first generation's poll; a key that is sent must be right and the owner's."""
    request_id, stranger = await gateway.submitted(), await gateway.account("bob")
    assert (await gateway.poll(request_id)).status_code == 200
    assert (await gateway.poll(request_id, gateway.key)).status_code == 200
    assert (await gateway.poll(request_id, stranger)).status_code == 404
    assert (await gateway.status(request_id, stranger)).status_code == 404
    wrong = await gateway.poll(request_id, "fh_wrong")
    assert (wrong.status_code, without_message(wrong.json())) == (401, DENIED)


async def test_the_second_generation_needs_a_key(gateway: Any) -> None:
    """Without a key nothing is said about an id there, not even that it is unknown."""
    request_id = await gateway.submitted()
    for asked in (request_id, NEVER, "nonsense"):
        response = await gateway.status(asked, "")
        assert (response.status_code, without_message(response.json())) == (401, DENIED)


async def test_an_id_of_another_dialect_opens_nothing(gateway: Any) -> None:
    """Without a key only requests that came in here can be polled."""
    request_id = await gateway.submitted()
    job = await gateway.job(request_id)
    await gateway.database.write(
        lambda connection: connection.exec_driver_sql("UPDATE jobs SET dialect = 'native' WHERE id = ?", (job.id,))
    )
    assert (await gateway.poll(request_id)).status_code == 404
    assert (await gateway.poll(request_id, gateway.key)).status_code == 200


async def test_a_failed_request_says_so(gateway: Any) -> None:
    """A failure ends the poll in both generations, with its reason and without images or a charge."""
    request_id = await gateway.submitted()
    await gateway.fail(EngineCrashed())
    said = EngineCrashed().message
    assert (await gateway.poll(request_id)).json() == {
        "request_id": request_id,
        "status": "FAILED",
        "error": said,
        "error_type": "engine_crashed",
        "retryable": False,
    }
    body = (await gateway.status(request_id)).json()
    assert (body["status"], body["error"], body["output"]) == ("FAILED", said, None)
    assert body["completed_at"] is not None


async def test_a_cancelled_request_ends_the_poll(gateway: Any) -> None:
    """A request cancelled from elsewhere reads FAILED, the one bad end that clients know."""
    request_id = await gateway.submitted()
    await gateway.cancel(request_id)
    body = (await gateway.poll(request_id)).json()
    assert (body["status"], body["error_type"]) == ("FAILED", "cancelled")
    assert (await gateway.status(request_id)).json()["status"] == "FAILED"


async def test_an_expired_result_is_gone(gateway: Any) -> None:
    """After its time a result is 410 in both generations, whether or not the bytes have been swept."""
    first, second = await gateway.submitted(), await gateway.submitted()
    await gateway.make()
    await gateway.make()
    await gateway.remove_output(first)
    assert (await gateway.poll(first)).status_code == 410
    assert (await gateway.poll(second)).status_code == 200
    gateway.clock.time += timedelta(hours=25)
    response = await gateway.poll(second)
    assert (response.status_code, response.json()["error"]) == (410, "Result no longer available")
    assert (await gateway.status(second)).status_code == 410


@pytest.mark.parametrize("key", ["", "fh_wrong", "YOUR_SUBSCRIPTION_KEY"])
async def test_a_submit_needs_a_key(gateway: Any, key: str) -> None:
    """A missing or wrong key is told in the words of the table."""
    response = await gateway.submit(key=key)
    assert (response.status_code, without_message(response.json())) == (401, DENIED)


async def test_a_key_without_the_right_is_refused(gateway: Any) -> None:
    """A key that may only read, or only use another model, is 403."""
    reader = await gateway.account("reader", limits=Limits(scopes=frozenset({Scope.READ})))
    other = await gateway.account("other", limits=Limits(models=frozenset({"flux-schnell"})))
    for key in (reader, other):
        response = await gateway.submit(key=key)
        assert (response.status_code, response.json()["error"]) == (403, "Access denied for this operation")
        assert "X-RateLimit-Limit" in response.headers


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "prompt"),
        ({"prompt": "a", "image_size": "huge"}, "image_size"),
        ({"prompt": "a", "cfg": 3}, "cfg"),
        ({"prompt": "a", "webhook_url": "https://example.com"}, "webhook_url"),
    ],
)
async def test_a_bad_submit_names_its_field(gateway: Any, body: Any, field: str) -> None:
    """Bad input is 400 with the table's words, what is wrong and where; nothing is charged, and usage counts it."""
    response = await gateway.submit(body)
    assert response.status_code == 400
    assert without_message(response.json()) == {"error": "Invalid request parameters", "field": field}
    assert response.headers["X-RateLimit-Remaining"] == "599"
    counted = await gateway.database.read(lambda connection: connection.execute(usage.usage_days.select()).all())
    assert [(row.refused, row.submitted) for row in counted] == [(1, 0)]


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'"x"', b'{"prompt": NaN}', b"\xff", b"[" * 10_000])
async def test_a_body_that_is_no_object_is_refused(gateway: Any, content: bytes) -> None:
    """Whatever is not one JSON object is 400 at submit and at poll."""
    headers = {"Ocp-Apim-Subscription-Key": gateway.key, "Content-Type": "application/json"}
    for path in (SUBMIT, VARY, RESULT):
        response = await gateway.client.post(path, content=content, headers=headers)
        assert (response.status_code, response.json()["error"]) == (400, "Invalid request parameters")


async def test_a_form_is_refused(gateway: Any) -> None:
    """curl without a Content-Type sends a form, which the contract does not know."""
    headers = {"Ocp-Apim-Subscription-Key": gateway.key}
    response = await gateway.client.post(SUBMIT, data={"prompt": "a"}, headers=headers)
    assert response.status_code == 400
    assert "application/json" in response.json()["message"]


async def test_a_webhook_that_leads_inside_is_refused_by_name(gateway: Any) -> None:
    """A header that asks for what may not be is not ignored."""
    response = await gateway.submit(None, **{"X-Webhook-URL": "https://10.0.0.1/hook"})
    assert (response.status_code, response.json()["field"]) == (400, "X-Webhook-URL")


async def test_no_balance_is_402(gateway: Any) -> None:
    """Out of credits is the vendor's own body, and makes no job."""
    poor = await gateway.account("poor", credit=1)
    response = await gateway.submit({"prompt": "foxes", "num_images": 2}, key=poor)
    assert response.status_code == 402
    assert response.json() == {
        "error": "Insufficient Balance",
        "message": "Your wallet does not have enough balance.",
    }
    assert (await gateway.submit(key=poor)).status_code == 200


async def test_too_many_submits_are_429(gateway: Any) -> None:
    """Over the rate is the table's words with the seconds to wait; polls are not counted."""
    slow = await gateway.account("slow", limits=Limits(rate_per_minute=2))
    request_id = (await gateway.submit(key=slow)).json()["request_id"]
    assert (await gateway.submit(key=slow)).headers["X-RateLimit-Remaining"] == "0"
    response = await gateway.submit(key=slow)
    assert (response.status_code, response.json()["error"]) == (429, "Rate limit exceeded, please retry later")
    assert response.headers["Retry-After"] == "60"
    assert "RateLimit" in response.headers
    assert (await gateway.poll(request_id, slow)).status_code == 200


async def test_a_repeated_submit_is_answered_once_made(gateway: Any) -> None:
    """With an idempotency key the same body replays its answer, another body or operation is 422."""
    repeated = {"Idempotency-Key": "order-1"}
    first, second = await gateway.submit(None, **repeated), await gateway.submit(None, **repeated)
    assert "Idempotent-Replayed" not in first.headers
    assert second.headers["Idempotent-Replayed"] == "true"
    assert second.json() == first.json()
    assert (await gateway.submit({"prompt": "else"}, **repeated)).status_code == 422
    bad = await gateway.submit(None, **{"Idempotency-Key": "two words"})
    assert (bad.status_code, bad.json()["field"]) == (400, "Idempotency-Key")


async def test_a_picture_is_varied(gateway: Any) -> None:
    """`imageToImage` keeps the given picture for its job and asks for its ratio."""
    image_url = "data:image/png;base64," + base64.b64encode(gateway.sample(64, 32)).decode()
    request_id = await gateway.submitted({"prompt": "a fox", "image_url": image_url, "strength": 0.5}, VARY)
    asked = (await gateway.job(request_id)).request
    assert (asked.task, asked.strength, asked.width, asked.height) == (Task.VARY, 0.5, 1456, 720)
    assert await gateway.door.storage.get(asked.inputs[0])


async def test_a_repeated_variation_keeps_one_picture(gateway: Any) -> None:
    """A replayed submit with a picture neither makes a second job nor keeps the picture a second time."""
    image_url = "data:image/png;base64," + base64.b64encode(gateway.sample(64, 32)).decode()
    body, repeated = {"prompt": "a fox", "image_url": image_url}, {"Idempotency-Key": "order-1"}
    first = await gateway.submit(body, VARY, **repeated)
    second = await gateway.submit(body, VARY, **repeated)
    assert second.json() == first.json()
    assert len([key async for key in gateway.door.storage.keys("inputs/")]) == 1


async def test_an_unusable_picture_is_refused_by_name(gateway: Any) -> None:
    """A picture that cannot be read is 400 with its field, and makes no job."""
    response = await gateway.submit({"prompt": "a", "image_url": "data:image/png;base64,AAAA"}, VARY)
    assert response.status_code == 400
    assert without_message(response.json()) == {"error": "Invalid request parameters", "field": "image_url"}


async def test_a_model_without_a_backend_is_503(gateway: Any) -> None:
    """Where nobody serves Flux Dev, a submit says so and charges nothing."""
    gateway.serve_nothing()
    response = await gateway.submit()
    assert (response.status_code, response.json()["error"]) == (503, "Model temporarily unavailable")


@pytest.mark.parametrize(
    "path", ["/flux-dev/v1/dev/generate", "/flux-dev-polling/x", "/v2/requests/status", "/v2/requests/"]
)
@pytest.mark.parametrize("method", ["GET", "POST", "DELETE"])
async def test_any_other_path_has_the_contracts_404(gateway: Any, path: str, method: str) -> None:
    """Under the dialect's prefixes even a wrong path is answered in its words."""
    response = await gateway.client.request(method, path)
    assert (response.status_code, response.json()) == (404, {"error": "Endpoint not found"})


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [("GET", SUBMIT, "POST"), ("PUT", RESULT, "POST"), ("POST", f"/v2/requests/status/{NEVER}", "GET, HEAD")],
)
async def test_another_method_is_405(gateway: Any, method: str, path: str, allowed: str) -> None:
    """A known path says which method it takes."""
    response = await gateway.client.request(method, path)
    assert (response.status_code, response.headers["Allow"]) == (405, allowed)
    assert response.json()["error"] == "Method not allowed"


async def test_a_fault_of_ours_is_500_in_the_tables_words(gateway: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """An error nobody expected tells nothing of the inside."""

    async def broken(*_: object) -> None:
        raise RuntimeError("a secret of the inside")

    monkeypatch.setattr(gateway.door, "any_job", broken)
    response = await gateway.poll(NEVER)
    assert response.status_code == 500
    assert response.json()["error"] == "An unexpected error occurred, please try again later"
    assert "secret" not in response.text


async def test_a_suspended_account_is_403(gateway: Any) -> None:
    """An account that was suspended can neither submit nor poll with its key."""
    request_id = await gateway.submitted()
    await gateway.suspend()
    assert (await gateway.submit()).status_code == 403
    assert (await gateway.status(request_id)).status_code == 403


async def test_a_revoked_key_is_refused(gateway: Any) -> None:
    """A key works until it is revoked and not one request longer."""
    key_id = gateway.key.split("_")[1]
    await gateway.write(keys.revoke, key_id, gateway.clock.now())
    assert (await gateway.submit()).status_code == 401

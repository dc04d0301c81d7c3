"""Creating predictions, without any SDK: the body, the headers, the answer, and who pays for what."""

import base64
import json
import time
from datetime import datetime, timedelta

import httpx2
import pytest

from fluxhouse.core.keys import Limits
from fluxhouse.core.ledger import balance
from fluxhouse.dialects.replicate.hosted import version_of
from fluxhouse.worker.deadlines import Deadlines

DEV, KONTEXT, SLOW = (f"black-forest-labs/{name}" for name in ("flux-dev", "flux-kontext-dev", "flux-schnell"))
SMALL = {"prompt": "a red boat", "megapixels": "0.25", "output_format": "jpg"}
WAIT = {"Prefer": "wait"}


@pytest.fixture(scope="module")
def fresh(live):
    """The key of an account that has a hundred credits and no prediction."""
    return live.new_key()


def ended(client, prediction):
    """The prediction once it has ended."""
    for _ in range(400):
        if (found := client.get(f"/v1/predictions/{prediction['id']}").json())["status"] not in (
            "starting",
            "processing",
        ):
            return found
        time.sleep(0.02)
    raise AssertionError(found)


def held(live, key):
    door = live.platform.door
    found = live.do(door.ask(key, None, lambda connection, caller: balance(connection, caller.account.id)))
    return found.available_micro, found.held_micro


def test_a_prediction_is_created_at_once(create, live):
    """201, with everything the vendor's object must have; nothing is known of its end yet."""
    answer = create(SLOW)
    body = answer.json()
    assert (answer.status_code, body["status"], body["output"], body["error"]) == (201, "starting", None, None)
    assert (body["model"], body["version"], body["input"]) == (SLOW, version_of(SLOW), SMALL)
    own = f"{live.url}/v1/predictions/{body['id']}"
    assert (body["urls"]["get"], body["urls"]["cancel"]) == (own, f"{own}/cancel")
    assert body["urls"]["stream"].startswith(f"{live.url}/v1/files/{body['id']}/stream?")
    assert (body["data_removed"], body["logs"], body["source"], body["metrics"]) == (False, "", "api", {})
    assert not {"started_at", "completed_at", "deadline"} & body.keys()
    assert answer.headers["x-ratelimit-limit"] == "600"


def test_a_waiting_client_gets_the_end(create, client):
    """201 with outputs, logs and metrics, the same as GET says."""
    answer = create(headers=WAIT, seed=7, num_outputs=2)
    body = answer.json()
    assert (answer.status_code, body["status"], len(body["output"])) == (201, "succeeded", 2)
    assert body["logs"] == "Using seed: 7\n100%|██████████| 8/8\n"
    assert body["metrics"]["image_count"] == 2
    assert body["metrics"]["total_time"] >= body["metrics"]["predict_time"]
    assert body["started_at"] <= body["completed_at"]
    assert client.get(f"/predictions/{body['id']}").json() == body
    assert httpx2.get(body["output"][0]).headers["content-type"] == "image/jpeg"


def test_a_wait_that_ends_too_early_says_starting(create):
    """202, and starting whatever it is doing: any other word ends the waiting of clients."""
    answer = create(SLOW, headers={"Prefer": "wait=1"})
    assert (answer.status_code, answer.json()["status"]) == (202, "starting")
    assert answer.headers["preference-applied"] == "wait=1"


@pytest.mark.parametrize("reference", [DEV, f"{DEV}:{version_of(DEV)}", version_of(DEV), "fluxhouse/flux-dev"])
def test_a_version_may_be_spelled_in_three_ways(client, reference):
    """Name, name and hash, hash alone; with and without `/v1`."""
    for root in ("/v1", ""):
        answer = client.post(f"{root}/predictions", json={"version": reference, "input": SMALL})
        assert (answer.status_code, answer.json()["model"]) == (201, DEV)


@pytest.mark.parametrize(
    ("body", "field", "words"),
    [
        ({"input": 7}, "input", "must be an object"),
        ({"input": None}, "input", "must be an object"),
        ({"version": "x"}, "version", "is not a field of a prediction"),
        ({"webhook": "ftp://a"}, "webhook", "must be an https URL"),
        ({"webhook": "http://10.0.0.1/"}, "webhook", "not public"),
        ({"webhook": "https://a.b", "webhook_completed": "https://a.b"}, "webhook_completed", "one of the two"),
        ({"webhook_events_filter": ["begin"]}, "webhook_events_filter", "start, logs, output, completed"),
        ({"webhook_events_filter": "start"}, "webhook_events_filter", "must be an array"),
        ({"stream": "yes"}, "stream", "true or false"),
        ({"extra": 1}, "extra", "is not a field of a prediction"),
    ],
)
def test_a_body_that_is_not_allowed_is_refused_by_its_field(create, live, fresh, body, field, words):
    """422 in the vendor's shape; nothing is held or charged."""
    answer = create(body=body, headers={"Authorization": f"Bearer {fresh}"})
    told = answer.json()
    assert (answer.status_code, told["title"]) == (422, "Input validation failed")
    (invalid,) = told["invalid_fields"]
    assert invalid["field"] == field
    assert words in invalid["description"]
    assert invalid["description"] in told["detail"]
    assert held(live, fresh) == (100_000_000, 0)


def test_a_field_of_the_input_is_named_with_its_place(create):
    """And the problem stands in `detail` too, which is all that some clients show."""
    told = create(num_outputs=9).json()
    assert told["detail"] == "- input.num_outputs: `num_outputs` must be from 1 to 4.\n"
    assert told["invalid_fields"][0]["type"] == "invalid_parameter"


def test_a_picture_that_is_none_is_refused_by_its_field(create, live, fresh):
    """After it was looked at; nothing is held."""
    for value in ("data:;base64,AAAA", "0" * 26):
        answer = create(image=value, headers={"Authorization": f"Bearer {fresh}"})
        assert (answer.status_code, answer.json()["invalid_fields"][0]["field"]) == (422, "input.image")
    assert held(live, fresh) == (100_000_000, 0)


@pytest.mark.parametrize("duration", ["4", "soon", "", "25h", "-5", "1d", "1h 3m"])
def test_a_deadline_that_makes_no_sense_is_refused(create, duration):
    """By the header's name, with what is allowed."""
    told = create(headers={"Cancel-After": duration}).json()
    assert told["invalid_fields"][0]["field"] == "Cancel-After"


@pytest.mark.parametrize(("duration", "seconds"), [("30", 30), ("5s", 5), ("5m", 300), ("1h30m45s", 5445)])
def test_a_deadline_is_told(create, duration, seconds):
    """Counted from when the prediction was created."""
    body = create(headers={"Cancel-After": duration}).json()
    passed = datetime.fromisoformat(body["deadline"]) - datetime.fromisoformat(body["created_at"])
    assert passed == timedelta(seconds=seconds)


def test_a_repeat_with_a_key_makes_nothing_again(create):
    """The same key and body give the same prediction; with another deadline it is another request."""
    key = {"Idempotency-Key": "once"}
    first, second = create(headers=key), create(headers=key)
    assert first.json()["id"] == second.json()["id"]
    assert second.headers["idempotent-replayed"] == "true"
    assert create(headers=key | {"Cancel-After": "30"}).status_code == 422


def test_who_comes_is_checked_first(live, client):
    """Without a key and with a wrong one, in the vendor's words; the older scheme is as good as the newer."""
    path, body = f"/v1/models/{DEV}/predictions", {"input": {}}
    nobody = httpx2.post(f"{live.url}{path}", json=body)
    assert (nobody.status_code, nobody.json()) == (
        401,
        {"title": "Unauthenticated", "detail": "You did not pass an authentication token", "status": 401},
    )
    older = client.headers["authorization"].replace("Bearer", "Token")
    assert client.get("/v1/account", headers={"Authorization": older}).status_code == 200
    assert client.post(path, content=b"{", headers={"Content-Type": "application/json"}).status_code == 400


def test_a_picture_of_ours_is_read_and_not_fetched(create, client, png):
    """An output's address, an uploaded file's address and its id, and a data URI."""
    url = create(headers=WAIT).json()["output"][0]
    file = client.post("/v1/files", files={"content": ("a.png", png, "image/png")}).json()
    uri = f"data:image/png;base64,{base64.b64encode(png).decode()}"
    for named in (url, file["urls"]["get"], file["id"], uri):
        body = create(KONTEXT, headers=WAIT, input_image=named, megapixels=None).json()
        assert body["status"] == "succeeded", body
        assert isinstance(body["output"], str)


def test_a_client_that_hangs_up_cancels_its_prediction(client, receiver):
    """Unless it named a webhook, which is told of the end all the same."""
    for told, status in (({}, "canceled"), ({"webhook": receiver.url}, "succeeded")):
        with pytest.raises(httpx2.ReadTimeout):
            client.post(f"/v1/models/{SLOW}/predictions", json={"input": SMALL} | told, headers=WAIT, timeout=0.3)
        newest = client.get("/v1/predictions").json()["results"][0]
        assert ended(client, newest)["status"] == status
    assert json.loads(receiver.next()[1])["id"] == newest["id"]


def test_what_is_echoed_can_be_sent(create, client):
    """A name that no UTF-8 has, with no value, is passed over like any other."""
    path, content = f"/v1/models/{DEV}/predictions", b'{"input": {"prompt": "a", "\\ud800": null}}'
    body = client.post(path, content=content, headers={"Content-Type": "application/json"}).json()
    assert body["input"] == {"prompt": "a"}
    refused = client.post(path, content=content.replace(b"null", b"1"), headers={"Content-Type": "application/json"})
    assert refused.json()["invalid_fields"][0]["field"] == "input.?"


def test_too_many_are_told_when_to_come_again(live, create):
    """429 with `Retry-After`; polls are not counted."""
    headers = {"Authorization": f"Bearer {live.new_key(limits=Limits(rate_per_minute=1))}"}
    made = create(headers=headers).json()
    answer = create(headers=headers)
    seconds = int(answer.headers["retry-after"])
    assert (answer.status_code, answer.json()) == (
        429,
        {
            "title": "Too many requests",
            "detail": f"Request was throttled. Your rate limit resets in ~{seconds}s.",
            "status": 429,
        },
    )
    assert httpx2.get(made["urls"]["get"], headers=headers).status_code == 200


def test_webhooks_default_to_output_and_completed(create, client, receiver):
    """One message at the end is both; `webhook_completed` is the older way to ask for the end alone."""
    for field in ("webhook", "webhook_completed"):
        made = create(body={field: receiver.url}).json()
        headers, body = receiver.next()
        assert (json.loads(body)["id"], json.loads(body)["status"]) == (made["id"], "succeeded")
        assert json.loads(body) == ended(client, made)
        assert headers["content-type"] == "application/json"


def test_logs_are_told_as_they_grow(create, client, receiver):
    """With the start, once a second, and with the end; each message under its own id."""
    made = create(SLOW, {"webhook": receiver.url, "webhook_events_filter": ["logs"]}).json()
    messages = [receiver.next()]
    while json.loads(messages[-1][1])["status"] == "processing":
        messages.append(receiver.next())
    told = [json.loads(body) for _, body in messages]
    assert {prediction["id"] for prediction in told} == {made["id"]}
    assert len({headers["webhook-id"] for headers, _ in messages}) == len(messages) >= 3
    assert told[0]["logs"].startswith("Using seed: ")
    assert told[-1]["logs"].endswith("5/5\n")
    assert [len(prediction["logs"]) for prediction in told] == sorted(len(prediction["logs"]) for prediction in told)


def test_a_filter_may_want_no_end(create, client, receiver):
    """The start alone is told of once; a failure has no output to tell of."""
    ended(
        client,
        create(
            "black-forest-labs/flux-krea-dev", {"webhook": receiver.url, "webhook_events_filter": ["output"]}
        ).json(),
    )
    made = create(SLOW, {"webhook": receiver.url, "webhook_events_filter": ["start"]}).json()
    _, body = receiver.next()
    assert (json.loads(body)["id"], json.loads(body)["status"]) == (made["id"], "processing")
    ended(client, made)
    time.sleep(0.3)
    assert receiver.got.empty()


async def test_a_deadline_before_the_start_aborts(idle_house):
    """Free of charge, in the vendor's word for it."""
    created = await idle_house.client.post(
        f"/v1/models/{DEV}/predictions", json={"input": SMALL}, headers={"Cancel-After": "5s"}
    )
    platform = idle_house.platform
    idle_house.clock.ahead = timedelta(seconds=6)
    await Deadlines(platform.database, platform.door.feed, idle_house.clock).look()
    found = await idle_house.client.get(f"/v1/predictions/{created.json()['id']}")
    assert (found.json()["status"], found.json()["output"]) == ("aborted", None)
    assert (await idle_house.credits())["held"] == 0

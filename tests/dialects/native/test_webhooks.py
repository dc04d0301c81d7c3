"""Webhooks by the native API: asked for at submit, told at the end, looked at, sent again, and signed."""

import asyncio
import json
from contextlib import asynccontextmanager
from datetime import timedelta
from ipaddress import ip_network

import httpx2
import jsonschema_rs
import pytest
from standardwebhooks.webhooks import Webhook as Verifier

from fluxhouse.assembly import assemble
from fluxhouse.catalog.catalog import Catalog
from fluxhouse.core import accounts, keys, ledger, webhooks
from fluxhouse.core.keys import Limits, Scope
from fluxhouse.dialects.native.openapi import openapi
from fluxhouse.engine.testcard import TestCard
from fluxhouse.settings import Settings

LOOPBACK = (ip_network("127.0.0.0/8"),)
SMALL = {"prompt": "a red boat", "width": 256, "height": 256}
DOCUMENT = openapi(Catalog.load(), "http://house.test", {})


@asynccontextmanager
async def receiving(status=200):
    """A receiver's address, and the (headers, body) pairs that it was sent."""
    got: asyncio.Queue[tuple[dict[str, str], bytes]] = asyncio.Queue()

    async def answer(reader, writer):
        head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
        headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in head[1:] if line)}
        got.put_nowait((headers, await reader.readexactly(int(headers["content-length"]))))
        writer.write(f"HTTP/1.1 {status} Said\r\nContent-Length: 0\r\n\r\n".encode())
        await writer.drain()
        writer.close()

    listener = await asyncio.start_server(answer, "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{listener.sockets[0].getsockname()[1]}/hook?token=1", got
    finally:
        listener.close()


@asynccontextmanager
async def running(settings):
    """A platform that is stopped at the end."""
    platform = assemble(settings, backends={"*": TestCard()})
    await platform.start()
    try:
        yield platform
    finally:
        await platform.stop()


def client_of(platform, key):
    transport = httpx2.ASGITransport(app=platform.app)
    headers = {"Authorization": f"Bearer {key}"}
    return httpx2.AsyncClient(transport=transport, base_url="http://house.test", headers=headers)


def new_key(connection, door):
    now = door.clock.now()
    account = accounts.create(connection, "restarted", now)
    ledger.grant(connection, account.id, 10_000_000, now, None)
    return keys.issue(connection, account.id, door.options.pepper, now)[1]


@pytest.fixture
async def open_house(build):
    """A house that may call this machine."""
    return await build(egress_allow=LOOPBACK)


async def received(got):
    async with asyncio.timeout(10):
        return await got.get()


async def log(client, job_id, status, lines=0):
    """The delivery log, once it has that status and so many lines."""
    async with asyncio.timeout(10):
        while True:
            answer = await client.get(f"/api/v1/jobs/{job_id}/webhook")
            assert answer.status_code == 200, answer.text
            delivery = answer.json()
            if delivery["status"] == status and len(delivery["attempts"]) >= lines:
                return delivery
            await asyncio.sleep(0.01)


def valid(name, body):
    component = {"$ref": f"#/components/schemas/{name}", "components": DOCUMENT["components"]}
    jsonschema_rs.Draft202012Validator(component).validate(body)
    return True


async def test_the_end_of_a_job_is_told(open_house):
    """What arrives is signed with the account's secret, and its data is the job to the letter as GET returns it."""
    async with receiving() as (url, got):
        job_id = (await open_house.run(SMALL | {"webhook_url": url})).json()["jobId"]
        headers, body = await received(got)
        delivered = await log(open_house.client, job_id, "delivered")
    secret = (await open_house.client.get("/api/v1/webhooks/secret")).json()
    message = Verifier(secret["secret"]).verify(body.decode(), headers)
    assert valid("WebhookMessage", message)
    job = (await open_house.client.get(f"/api/v1/jobs/{job_id}")).json()
    assert (message["type"], message["data"]) == ("job.completed", job)
    assert message["timestamp"].startswith(job["completedAt"].removesuffix("Z"))
    assert headers["webhook-id"] == delivered["messageId"]
    assert delivered["url"] == url
    assert [line["responseStatus"] for line in delivered["attempts"]] == [200]
    assert valid("WebhookDelivery", delivered)
    assert "nextAttemptAt" not in delivered


async def test_a_cancelled_job_is_told_too(build):
    """A job that nobody began is ended by its owner, and the receiver hears it from a house without a worker."""
    house = await build(works=False, egress_allow=LOOPBACK)
    async with receiving() as (url, got):
        job_id = (await house.run(SMALL | {"webhook_url": url})).json()["jobId"]
        waiting = (await house.client.get(f"/api/v1/jobs/{job_id}/webhook")).json()
        assert (waiting["status"], waiting["attempts"]) == ("waiting", [])
        assert valid("WebhookDelivery", waiting)
        await house.client.delete(f"/api/v1/jobs/{job_id}")
        _, body = await received(got)
    assert json.loads(body)["type"] == "job.cancelled"
    assert json.loads(body)["data"]["status"] == "cancelled"


async def test_a_failed_attempt_is_visible_and_can_be_replayed(open_house):
    """The log names the status and when the next attempt is due; a replay is made at once, under the same id."""
    async with receiving(503) as (url, got):
        job_id = (await open_house.run(SMALL | {"webhook_url": url})).json()["jobId"]
        first, _ = await received(got)
        pending = await log(open_house.client, job_id, "pending", 1)
        (line,) = pending["attempts"]
        assert (line["number"], line["responseStatus"], line["nextAttemptAt"]) == (1, 503, pending["nextAttemptAt"])
        assert valid("WebhookDelivery", pending)
        again = await open_house.client.post(f"/api/v1/jobs/{job_id}/webhook/replay")
        assert (again.status_code, again.json()["status"]) == (202, "pending")
        second, _ = await received(got)
    assert second["webhook-id"] == first["webhook-id"]


async def test_a_dead_receiver_is_an_error_in_words(open_house):
    """The log says why no answer came."""
    job_id = (await open_house.run(SMALL | {"webhook_url": "http://127.0.0.1:1/"})).json()["jobId"]
    pending = await log(open_house.client, job_id, "pending", 1)
    (line,) = pending["attempts"]
    assert "could not be reached" in line["error"]
    assert "responseStatus" not in line
    assert valid("WebhookDelivery", pending)


async def test_a_message_is_retried_after_a_restart_of_the_platform(tmp_path, monkeypatch):
    """The next process finds in the table what the last one could not deliver; the message keeps its id."""
    monkeypatch.setattr(webhooks, "RETRY_SECONDS", (0.5,) * 8)
    settings = Settings(data=tmp_path, public_url="http://house.test", egress_allow=LOOPBACK)
    async with receiving(503) as (url, got):
        async with running(settings) as platform:
            key = await platform.database.write(lambda c: new_key(c, platform.door))
            async with client_of(platform, key) as client:
                submitted = await client.post("/api/v1/models/flux/run", json=SMALL | {"webhook_url": url})
            first, _ = await received(got)
        async with running(settings) as platform, client_of(platform, key) as client:
            second, _ = await received(got)
            await log(client, submitted.json()["jobId"], "pending", 2)
    assert second["webhook-id"] == first["webhook-id"]


@pytest.mark.parametrize("verb", ["get", "replay"])
async def test_a_job_without_a_webhook_has_nothing_to_show(house, verb):
    """404 by a code of its own, and the same for an unknown job and for another account's."""
    job_id = (await house.done())["jobId"]
    other = await house.account("other")

    async def ask(job, **headers):
        if verb == "get":
            return await house.client.get(f"/api/v1/jobs/{job}/webhook", headers=headers)
        return await house.client.post(f"/api/v1/jobs/{job}/webhook/replay", headers=headers)

    own, unknown = await ask(job_id), await ask("job_" + "0" * 32)
    foreign = await ask(job_id, Authorization=f"Bearer {other}")
    assert [answer.status_code for answer in (own, unknown, foreign)] == [404, 404, 404]
    codes = [answer.json()["error"]["code"] for answer in (own, unknown, foreign)]
    assert codes == ["webhook_not_found", "job_not_found", "job_not_found"]


async def test_another_accounts_webhook_is_unknown(build):
    """Neither the log, which shows the URL, nor a replay is anybody else's."""
    house = await build(works=False, egress_allow=LOOPBACK)
    job_id = (await house.run(SMALL | {"webhook_url": "http://127.0.0.1:1/"})).json()["jobId"]
    stranger = {"Authorization": f"Bearer {await house.account('stranger')}"}
    path = f"/api/v1/jobs/{job_id}/webhook"
    answers = [
        await house.client.get(path, headers=stranger),
        await house.client.post(f"{path}/replay", headers=stranger),
    ]
    assert [answer.status_code for answer in answers] == [404, 404]
    assert "127.0.0.1" not in "".join(answer.text for answer in answers)


async def test_a_job_that_has_not_ended_cannot_be_replayed(build):
    """409: its message is not known yet."""
    house = await build(works=False, egress_allow=LOOPBACK)
    job_id = (await house.run(SMALL | {"webhook_url": "http://127.0.0.1:1/"})).json()["jobId"]
    answer = await house.client.post(f"/api/v1/jobs/{job_id}/webhook/replay")
    assert (answer.status_code, answer.json()["error"]["code"]) == (409, "conflict")


async def test_the_secret_rotates(house):
    """Stable until it is rotated; then both are shown, and a day later the new one alone."""
    first = (await house.client.get("/api/v1/webhooks/secret")).json()
    assert valid("WebhookSecret", first)
    assert first == (await house.client.get("/api/v1/webhooks/secret")).json()
    rotated = await house.client.post("/api/v1/webhooks/secret/rotate")
    assert rotated.status_code == 200
    assert rotated.headers["cache-control"] == "no-store"
    both = rotated.json()
    assert valid("WebhookSecret", both)
    assert both["previous"]["secret"] == first["secret"] != both["secret"]
    assert both == (await house.client.get("/api/v1/webhooks/secret")).json()
    house.clock.ahead += timedelta(hours=24, seconds=1)
    assert (await house.client.get("/api/v1/webhooks/secret")).json() == {
        "secret": both["secret"],
        "createdAt": both["createdAt"],
    }


async def test_each_account_has_its_own_secret(house):
    """Who knows one account's secret can forge nobody else's messages."""
    other = {"Authorization": f"Bearer {await house.account('other')}"}
    mine = (await house.client.get("/api/v1/webhooks/secret")).json()["secret"]
    assert (await house.client.get("/api/v1/webhooks/secret", headers=other)).json()["secret"] != mine


async def test_a_key_that_may_only_read_does_not_see_the_secret(house):
    """With the secret messages can be forged: reading jobs is less than that. The log is readable."""
    reader = await house.account("reader", limits=Limits(scopes=frozenset({Scope.READ})))
    headers = {"Authorization": f"Bearer {reader}"}
    assert (await house.client.get("/api/v1/webhooks/secret", headers=headers)).status_code == 403
    assert (await house.client.post("/api/v1/webhooks/secret/rotate", headers=headers)).status_code == 403
    replay = await house.client.post("/api/v1/jobs/job_0/webhook/replay", headers=headers)
    assert replay.status_code == 403
    assert (await house.client.get("/api/v1/jobs/job_0/webhook", headers=headers)).status_code == 404
    assert (await house.get("/api/v1/webhooks/secret")).status_code == 401


@pytest.mark.parametrize(
    "value", ["", "ftp://a.example/", "example.com", 1, ["https://a"], "https://a b", "https://é.example/", "x" * 2001]
)
async def test_what_is_no_url_is_refused_by_name(idle_house, value):
    """The field is named, nothing is held."""
    answer = await idle_house.run(SMALL | {"webhook_url": value})
    assert (answer.status_code, answer.json()["error"]["field"]) == (400, "webhook_url")
    assert answer.json()["error"]["code"] == "invalid_parameter"
    assert (await idle_house.credits())["held"] == 0


async def test_null_is_none(idle_house):
    """An absent value may be said."""
    job_id = (await idle_house.run(SMALL | {"webhook_url": None})).json()["jobId"]
    assert (await idle_house.client.get(f"/api/v1/jobs/{job_id}/webhook")).status_code == 404


async def test_a_repeated_submit_is_one_message(open_house):
    """The same key and body make one job and one webhook, and the URL is not even looked up again."""
    async with receiving() as (url, got):
        body = SMALL | {"webhook_url": url}
        first = await open_house.run(body, **{"Idempotency-Key": "k"})
        again = await open_house.run(body, **{"Idempotency-Key": "k"})
        assert first.json()["jobId"] == again.json()["jobId"]
        await received(got)
        await log(open_house.client, first.json()["jobId"], "delivered")
        assert got.empty()
        other = await open_house.run(body | {"webhook_url": url + "2"}, **{"Idempotency-Key": "k"})
    assert other.status_code == 422


async def test_a_caller_without_means_makes_us_resolve_nothing(idle_house, monkeypatch):
    """402 comes before any look at the URL."""
    poor = {"Authorization": f"Bearer {await idle_house.account('poor', credits=0)}"}

    def resolve(*_arguments, **_named):
        raise AssertionError("a name was resolved")

    monkeypatch.setattr("fluxhouse.storage.destinations.socket.getaddrinfo", resolve)
    answer = await idle_house.run(SMALL | {"webhook_url": "https://hooks.example/"}, **poor)
    assert answer.status_code == 402


async def test_a_slow_receiver_delays_no_job(open_house):
    """Deliveries are beside the work: jobs end while a receiver keeps silent."""
    released = asyncio.Event()

    async def keep_silent(_reader, writer):
        await released.wait()
        writer.close()

    silent = await asyncio.start_server(keep_silent, "127.0.0.1", 0)
    url = f"http://127.0.0.1:{silent.sockets[0].getsockname()[1]}/"
    for _ in range(3):
        assert (await open_house.done(SMALL | {"webhook_url": url}))["status"] == "completed"
    released.set()
    silent.close()

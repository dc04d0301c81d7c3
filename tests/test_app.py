"""The application around the dialects: ids, logs, metrics, CORS, and the answer to what went wrong in us."""

import json
import logging
import re
from datetime import timedelta

import httpx2
import pytest
import structlog
from structlog.testing import capture_logs

from fluxhouse.app import create_app
from fluxhouse.assembly import assemble
from fluxhouse.core import accounts, keys, ledger
from fluxhouse.engine.testcard import TestCard
from fluxhouse.settings import Settings

PROMPT = "canary-prompt of a yellow bird"


@pytest.fixture
async def platform(tmp_path):
    built = assemble(Settings(data=tmp_path, public_url="http://house.test"), backends={"*": TestCard()})
    await built.start()
    yield built
    await built.stop()


@pytest.fixture
async def key(platform):
    def make(connection):
        now = platform.door.clock.now()
        account = accounts.create(connection, "canary-account", now)
        ledger.grant(connection, account.id, 10_000_000, now, None)
        return keys.issue(connection, account.id, platform.door.options.pepper, now)[1]

    return await platform.database.write(make)


@pytest.fixture
async def client(platform):
    transport = httpx2.ASGITransport(app=platform.app, raise_app_exceptions=False)
    async with httpx2.AsyncClient(transport=transport, base_url="http://house.test") as client:
        yield client


def break_reads(platform):
    """Let every read of the database fail, with a message that nobody outside should see."""

    async def fail(_query):
        raise RuntimeError("canary-inside")

    platform.database.read = fail


def break_inserts(connection):
    """Let every new job fail with the database's own error, whose parameters hold the prompt."""
    connection.exec_driver_sql(
        "CREATE TRIGGER full BEFORE INSERT ON jobs BEGIN SELECT RAISE(ABORT, 'the table is full'); END"
    )


async def test_every_answer_has_a_request_id(client):
    """A sane incoming id is kept, any other replaced, on successes and errors alike."""
    for path in ("/healthz", "/nowhere", "/api/v1/credits", "/docs"):
        assert re.fullmatch(r"[0-9a-f]{32}", (await client.get(path)).headers["x-request-id"])
        kept = await client.get(path, headers={"X-Request-Id": "my-request.1"})
        assert kept.headers["x-request-id"] == "my-request.1"
        for insane in ("a b", "x" * 129, ""):
            answer = await client.get(path, headers={"X-Request-Id": insane})
            assert answer.headers["x-request-id"] != insane


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", "/api/v1/nowhere", 404, "not_found"),
        ("GET", "/nowhere", 404, "not_found"),
        ("GET", "/api/v1/jobs/", 404, "not_found"),
        ("PUT", "/api/v1/credits", 405, "method_not_allowed"),
        ("GET", "/api/v1/models/flux/run", 405, "method_not_allowed"),
    ],
)
async def test_what_is_not_there_answers_the_error_body(client, method, path, status, code):
    """Unknown addresses and methods are told as every other error is."""
    answer = await client.request(method, path)
    error = answer.json()["error"]
    assert (answer.status_code, error["status"], error["code"]) == (status, status, code)
    assert ("allow" in answer.headers) == (status == 405)


async def test_a_fault_of_ours_is_logged_and_not_told(platform, client):
    """A crash answers 500 in the accent asked, with nothing of its reason; the log has the traceback."""
    break_reads(platform)
    with capture_logs() as logs:
        answer = await client.get("/api/v1/credits", headers={"Authorization": "Bearer fh_x"})
        other = await client.get("/v2/requests/status/0", headers={"Ocp-Apim-Subscription-Key": "fh_x"})
    assert answer.json() == {
        "error": {"code": "server_error", "message": "The platform could not do what was asked.", "status": 500}
    }
    assert (other.status_code, next(iter(other.json()))) == (500, "error")
    assert "canary-inside" not in answer.text + other.text
    crash = next(line for line in logs if line["event"] == "http_request_crashed")
    assert "canary-inside" in crash["traceback"]
    assert "test_app.py" in crash["traceback"]


async def test_an_answer_that_breaks_off_is_not_patched_up(client, platform):
    """A crash after the answer began breaks the connection instead of ending the answer well."""
    sent = []

    async def receive():
        return {"type": "http.request", "body": b""}

    async def send(message):
        sent.append(message["type"])
        if message["type"] == "http.response.body":
            raise RuntimeError("canary-inside")

    scope = {"type": "http", "method": "GET", "path": "/healthz", "query_string": b"", "headers": [], "root_path": ""}
    with capture_logs() as logs, pytest.raises(RuntimeError):
        await platform.app(scope, receive, send)
    assert sent == ["http.response.start", "http.response.body"]
    assert [line["event"] for line in logs] == ["http_request_crashed", "http_request"]


async def test_api_routes_answer_any_origin_and_pages_none(client):
    """Browsers may call the API from anywhere, without cookies; the console's pages stay to themselves."""
    origin = {"Origin": "https://app.example.com"}
    asked = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "authorization, prefer"}
    preflight = await client.options("/api/v1/models/flux/run", headers=origin | asked)
    assert preflight.status_code == 204
    assert preflight.headers["access-control-allow-origin"] == "*"
    assert preflight.headers["access-control-allow-headers"] == "authorization, prefer"
    answer = await client.get("/api/v1/models", headers=origin)
    assert answer.headers["access-control-allow-origin"] == "*"
    assert "X-RateLimit-Remaining" in answer.headers["access-control-expose-headers"]
    assert "access-control-allow-credentials" not in answer.headers
    for path in ("/docs", "/models/flux-dev", "/metrics"):
        assert "access-control-allow-origin" not in (await client.get(path, headers=origin)).headers
    assert "access-control-allow-origin" not in (await client.get("/api/v1/models")).headers


async def test_readiness_says_why_not(platform):
    """`/readyz` is 200 when nothing speaks against it, else 503 with the reason; `/healthz` answers regardless."""

    async def reason():
        return "the engine is starting"

    transport = httpx2.ASGITransport(app=create_app(platform.door, reason))
    async with httpx2.AsyncClient(transport=transport, base_url="http://house.test") as client:
        answer = await client.get("/readyz")
        assert (answer.status_code, answer.json()["error"]["message"]) == (503, "the engine is starting")
        assert (await client.get("/healthz")).json() == {"status": "ok"}


async def test_metrics_count_by_route_and_never_by_account(client, key):
    """Requests stand under their route's template; jobs, queue and totals under states and models."""
    await client.post(
        "/api/v1/models/flux/run",
        json={"prompt": PROMPT, "width": 256, "height": 256},
        headers={"Authorization": f"Bearer {key}", "Prefer": "wait"},
    )
    await client.get("/api/v1/jobs/job_0")
    await client.request("BREW", "/coffee")
    text = (await client.get("/metrics")).text
    for line in (
        'fluxhouse_http_requests_total{method="POST",route="/api/v1/models/{model}/run",status="200"} 1.0',
        'fluxhouse_http_requests_total{method="GET",route="/api/v1/jobs/{job}",status="401"} 1.0',
        'fluxhouse_http_requests_total{method="OTHER",route="unmatched",status="404"} 1.0',
        'fluxhouse_jobs_open{state="queued"} 0.0',
        "fluxhouse_usage_images_total 1.0",
        "fluxhouse_usage_captured_credits_total 1.0",
    ):
        assert line in text.splitlines()
    assert "canary" not in text


async def test_metrics_show_the_queue(tmp_path):
    """Waiting jobs show by model, with the age of the oldest."""
    platform = assemble(Settings(data=tmp_path), backends={"*": TestCard()}, works=False)
    await platform.start()
    try:
        transport = httpx2.ASGITransport(app=platform.app)
        async with httpx2.AsyncClient(transport=transport, base_url="http://house.test") as client:
            await submit_three(platform, client)
            platform.door.clock = Later(platform.door.clock)
            text = (await client.get("/metrics")).text
    finally:
        await platform.stop()
    assert 'fluxhouse_queue_depth{model="flux-schnell"} 3.0' in text
    assert 'fluxhouse_jobs_open{state="queued"} 3.0' in text
    age = re.search(r'fluxhouse_queue_oldest_seconds\{model="flux-schnell"\} ([0-9.]+)', text)
    assert 600 <= float(age[1]) < 660


class Later:
    """A clock ten minutes ahead of another."""

    def __init__(self, clock):
        self._clock = clock

    def now(self):
        return self._clock.now() + timedelta(minutes=10)


async def submit_three(platform, client):
    def make(connection):
        now = platform.door.clock.now()
        account = accounts.create(connection, "one", now)
        ledger.grant(connection, account.id, 10_000_000, now, None)
        return keys.issue(connection, account.id, platform.door.options.pepper, now)[1]

    headers = {"Authorization": f"Bearer {await platform.database.write(make)}"}
    for _ in range(3):
        await client.post("/api/v1/models/flux-schnell/run", json={"prompt": "x"}, headers=headers)


async def test_no_key_and_no_prompt_reaches_a_log(platform, client, key, caplog):
    """A key and a prompt planted in every place are in no log line, no metric and no answer but the job's own."""
    caplog.set_level(logging.DEBUG)
    headers = {"Authorization": f"Bearer {key}"}
    body = {"prompt": PROMPT, "width": 256, "height": 256}
    with capture_logs(processors=[structlog.contextvars.merge_contextvars]) as logs:
        finished = await client.post("/api/v1/models/flux/run", json=body, headers=headers | {"Prefer": "wait"})
        for answer in (
            await client.post("/api/v1/models/flux/run", json=body | {"seed": PROMPT}, headers=headers),
            await client.post("/api/v1/models/flux/run", json=body, headers={"Authorization": f"Bearer {key[:-1]}"}),
            await client.post("/api/v1/models/flux/run", content=f'{{"prompt": "{PROMPT}"', headers=headers),
            await client.post(
                "/api/v1/models/flux/run", json=body | {"input_image": f"https://{key}/"}, headers=headers
            ),
            await client.get(f"/api/v1/jobs/{key}", headers=headers),
            await client.get(f"/api/v1/models/{key}"),
            await client.request(key.upper(), "/healthz"),
            await client.get(f"/nowhere/{key}", params={"key": key, "prompt": PROMPT}),
            await client.get("/api/v1/credits", params={"key": key}, headers={"Authorization": f"Basic {key}"}),
        ):
            assert answer.status_code >= 400
            assert PROMPT not in answer.text
        await platform.database.write(break_inserts)
        crashed = await client.post("/api/v1/models/flux/run", json=body, headers=headers)
    assert crashed.status_code == 500
    assert finished.json()["prompt"] == PROMPT
    assert key not in finished.text
    # The test's own client logs the addresses it calls; nothing of ours calls through it.
    others = [record.getMessage() for record in caplog.records if record.name != "httpx2"]
    written = json.dumps(logs, default=str) + "\n".join(others)
    assert "http_request" in written
    assert "request_id" in written
    assert "the table is full" in written
    assert finished.json()["jobId"].removeprefix("job_") in written
    for secret in (key, key[3:11], PROMPT, "canary-account"):
        assert secret not in written

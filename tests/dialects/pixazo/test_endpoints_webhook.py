"""`X-Webhook-URL`: the end of a request is told in this dialect's own words, signed as everywhere."""

import asyncio
import json
from datetime import timedelta
from ipaddress import ip_network
from typing import Any

import pytest
from standardwebhooks.webhooks import Webhook as Verifier

from fluxhouse.dialects.pixazo import job_body
from fluxhouse.dialects.pixazo.answers import job_id_of

SUBMIT = "/flux-dev/v1/dev/textToImage"
SMALL = {"prompt": "a red boat", "image_size": "square"}


@pytest.fixture
async def receiver() -> Any:
    """The address of a real receiver, and the (headers, body) pairs that it was sent."""
    got: asyncio.Queue[tuple[dict[str, str], bytes]] = asyncio.Queue()

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
        headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in head[1:] if line)}
        got.put_nowait((headers, await reader.readexactly(int(headers["content-length"]))))
        writer.write(b"HTTP/1.1 204 Thanks\r\n\r\n")
        await writer.drain()
        writer.close()

    listener = await asyncio.start_server(answer, "127.0.0.1", 0)
    yield f"http://127.0.0.1:{listener.sockets[0].getsockname()[1]}/", got
    listener.close()


@pytest.fixture
async def house(build: Any) -> Any:
    """A house that may call this machine."""
    return await build(egress_allow=(ip_network("127.0.0.0/8"),))


async def submit(house: Any, url: str, body: dict[str, Any] | None = None, **headers: str) -> Any:
    own = {"Ocp-Apim-Subscription-Key": house.key, "X-Webhook-URL": url}
    return await house.client.post(SUBMIT, json=body or SMALL, headers=own | headers)


async def test_the_message_is_what_polling_says(house: Any, receiver: Any) -> None:
    """Data is generation B's envelope, to the letter; the signature is the account's."""
    url, got = receiver
    request_id = (await submit(house, url)).json()["request_id"]
    async with asyncio.timeout(10):
        headers, body = await got.get()
    secret = (await house.client.get("/api/v1/webhooks/secret")).json()["secret"]
    message = Verifier(secret).verify(body.decode(), headers)
    polled = await house.client.get(
        f"/v2/requests/status/{request_id}", headers={"Ocp-Apim-Subscription-Key": house.key}
    )
    assert (message["type"], message["data"]) == ("job.completed", polled.json())
    assert message["data"]["status"] == "COMPLETED"
    assert len(message["data"]["output"]["media_url"]) == 1


async def test_the_log_and_the_replay_are_the_native_apis(house: Any, receiver: Any) -> None:
    """One account, one platform: the same job is `job_...` there."""
    url, got = receiver
    request_id = (await submit(house, url)).json()["request_id"]
    async with asyncio.timeout(10):
        first = await got.get()
        path = f"/api/v1/jobs/job_{job_id_of(request_id)}/webhook"
        assert (await house.client.post(f"{path}/replay")).status_code == 202
        again = await got.get()
    assert first[0]["webhook-id"] == again[0]["webhook-id"]
    assert json.loads(first[1]) == json.loads(again[1])
    assert (await house.client.get(path)).json()["url"] == url


async def test_a_message_after_the_images_expired_has_none(house: Any, receiver: Any) -> None:
    """A late attempt names no address that nobody can read."""
    url, got = receiver
    request_id = (await submit(house, url)).json()["request_id"]
    async with asyncio.timeout(10):
        await got.get()
    job = await house.platform.door.any_job(job_id_of(request_id))
    house.clock.ahead += timedelta(days=2)
    assert job_body(house.platform.door, job)["output"] == {"media_url": [], "media_type": "image/jpeg"}


async def test_the_header_is_part_of_what_a_repeat_repeats(house: Any, receiver: Any) -> None:
    """The same idempotency key with another webhook is another request."""
    url, _ = receiver
    first = await submit(house, url, **{"Idempotency-Key": "k"})
    again = await submit(house, url, **{"Idempotency-Key": "k"})
    other = await submit(house, f"{url}other", **{"Idempotency-Key": "k"})
    assert first.json()["request_id"] == again.json()["request_id"]
    assert other.status_code == 422


@pytest.mark.parametrize("url", ["", "example.com", "ftp://example.com/", "https://a b/", "https://[/", "x" * 3000])
async def test_what_is_no_url_is_refused_by_the_headers_name(house: Any, url: str) -> None:
    """A header that cannot be kept is not ignored."""
    answer = await submit(house, url)
    assert (answer.status_code, answer.json()["field"]) == (400, "X-Webhook-URL")

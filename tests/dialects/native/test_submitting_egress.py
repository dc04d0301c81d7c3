"""No URL that a caller names, for a picture or for a webhook, leads to a place that is not the public Internet."""

import asyncio
import socket
from contextlib import asynccontextmanager
from ipaddress import ip_network

import pytest

from fluxhouse.storage import images

SMALL = {"prompt": "a red boat", "width": 256, "height": 256}
FIELDS = ("input_image", "webhook_url")
LOOPBACK = (ip_network("127.0.0.0/8"),)

# What is tried, the URL, and the words of the refusal.
NEVER = [
    ("private", "https://10.0.0.1/a.png", "not public"),
    ("private range of homes", "https://192.168.1.1/", "not public"),
    ("carrier's range", "https://100.64.0.1/", "not public"),
    ("loopback", "https://127.0.0.1/", "not public"),
    ("loopback by another address", "https://127.9.9.9/", "not public"),
    ("loopback in IPv6", "https://[::1]/", "not public"),
    ("this host", "https://0.0.0.0/", "not public"),
    ("link-local", "https://169.254.1.1/", "not public"),
    ("link-local in IPv6", "https://[fe80::1]/", "not public"),
    ("unique local in IPv6", "https://[fd00:ec2::254]/", "not public"),
    ("cloud metadata", "https://169.254.169.254/latest/meta-data/", "not public"),
    ("cloud metadata mapped into IPv6", "https://[::ffff:169.254.169.254]/", "not public"),
    ("loopback mapped into IPv6", "https://[::ffff:127.0.0.1]/", "not public"),
    ("private behind NAT64", "https://[64:ff9b::10.0.0.1]/", "not public"),
    ("6to4", "https://[2002:7f00:1::1]/", "not public"),
    ("multicast", "https://224.0.0.1/", "not public"),
    ("broadcast", "https://255.255.255.255/", "not public"),
    ("plain http", "http://8.8.8.8/a.png", "must be an https URL"),
    ("another port", "https://8.8.8.8:8443/", "port 80 or 443"),
    ("a database's port", "https://8.8.8.8:5432/", "port 80 or 443"),
    ("credentials", "https://user:secret@8.8.8.8/", "must not contain credentials"),
    ("credentials that hide a host", "https://example.com@127.0.0.1/", "must not contain credentials"),
]
BY_NAME = [
    ("loopback", ["127.0.0.1"]),
    ("private", ["10.1.2.3"]),
    ("metadata", ["169.254.169.254"]),
    ("mapped into IPv6", ["::ffff:10.0.0.1"]),
    ("one public, one private", ["8.8.8.8", "192.168.0.1"]),
    ("one public, loopback in IPv6", ["8.8.8.8", "::1"]),
]


async def refusal(house, field, url):
    """The words of the 400 that a submit with that URL gets; nothing is held, nothing is made."""
    answer = await house.run(SMALL | {field: url})
    assert answer.status_code == 400, answer.text
    error = answer.json()["error"]
    assert error["field"] == field
    assert error["code"] == ("invalid_image" if field == "input_image" else "invalid_parameter")
    assert (await house.credits())["held"] == 0
    assert (await house.client.get("/api/v1/jobs")).json()["jobs"] == []
    return error["message"]


def resolving(monkeypatch, *answers):
    """Let every name have these addresses, a new list at each look, the last one for ever."""
    left = list(answers)

    def found(_host, _port, **_named):
        addresses = left.pop(0) if len(left) > 1 else left[0]
        return [
            (socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, 0))
            for address in addresses
        ]

    monkeypatch.setattr("fluxhouse.storage.destinations.socket.getaddrinfo", found)


@asynccontextmanager
async def host(answer):
    """A real host on this machine that notes the head of each request and writes `answer`."""
    asked = []

    async def served(reader, writer):
        asked.append(await reader.readuntil(b"\r\n\r\n"))
        try:
            await answer(writer)
        except ConnectionError:
            pass
        finally:
            writer.close()

    listener = await asyncio.start_server(served, "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{listener.sockets[0].getsockname()[1]}/", asked
    finally:
        listener.close()


@pytest.mark.parametrize("field", FIELDS)
@pytest.mark.parametrize(("url", "words"), [case[1:] for case in NEVER], ids=[case[0] for case in NEVER])
async def test_an_address_that_is_not_public_is_refused_by_name(idle_house, field, url, words):
    """In every notation, for pictures and webhooks alike, before any connection is made."""
    message = await refusal(idle_house, field, url)
    assert words in message
    assert message.startswith(field)


@pytest.mark.parametrize("field", FIELDS)
@pytest.mark.parametrize("addresses", [case[1] for case in BY_NAME], ids=[case[0] for case in BY_NAME])
async def test_a_name_that_leads_inside_is_refused(idle_house, monkeypatch, field, addresses):
    """Every address of a name must be public; the answer does not say which one was not."""
    resolving(monkeypatch, addresses)
    message = await refusal(idle_house, field, "https://pictures.example/a.png")
    assert "not public" in message
    assert not any(address in message for address in addresses)


@pytest.mark.parametrize("field", FIELDS)
async def test_a_name_that_does_not_resolve_is_refused(idle_house, monkeypatch, field):
    """Nothing is taken in for a host that is not there."""

    def fail(*_arguments, **_named):
        raise socket.gaierror("no such name")

    monkeypatch.setattr("fluxhouse.storage.destinations.socket.getaddrinfo", fail)
    assert "does not resolve" in await refusal(idle_house, field, "https://nowhere.example/")


@pytest.mark.parametrize("field", FIELDS)
async def test_a_name_is_resolved_once_and_the_connection_goes_there(build, monkeypatch, field):
    """Rebinding: between check and connection nobody asks again, so the second answer of the name is of no use."""

    async def nothing(writer):
        writer.write(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n")

    house = await build(works=False, egress_allow=LOOPBACK)
    async with host(nothing) as (url, asked):
        if field == "input_image":
            resolving(monkeypatch, ["127.0.0.1"], ["10.0.0.1"])
            named = url.replace("127.0.0.1", "rebinding.example")
            assert "status 404" in await refusal(house, field, named)
            assert b"Host: rebinding.example" in asked[0] or b"host: rebinding.example" in asked[0]
        else:
            # Checked at submit, checked again when it is sent: by then it leads inside, and nothing is sent.
            resolving(monkeypatch, ["127.0.0.1"], ["10.0.0.1"])
            answer = await house.run(SMALL | {field: url.replace("127.0.0.1", "rebinding.example")})
            job = answer.json()["jobId"]
            await house.client.delete(f"/api/v1/jobs/{job}")
            line = await first_attempt(house, job)
            assert "not public" in line["error"]
            assert asked == []


async def first_attempt(house, job):
    async with asyncio.timeout(10):
        while True:
            delivery = (await house.client.get(f"/api/v1/jobs/{job}/webhook")).json()
            if delivery["attempts"]:
                return delivery["attempts"][0]
            await asyncio.sleep(0.01)


@pytest.mark.parametrize(
    "inside", ["http://169.254.169.254/", "http://10.0.0.1/", "http://[::1]/", "file:///etc/passwd"]
)
async def test_a_redirect_of_a_picture_that_leads_inside_is_refused(build, inside):
    """Each step of a redirect is checked like the first URL."""

    async def redirect(writer):
        writer.write(f"HTTP/1.1 302 Found\r\nLocation: {inside}\r\nContent-Length: 0\r\n\r\n".encode())

    house = await build(works=False, egress_allow=LOOPBACK)
    async with host(redirect) as (url, _):
        message = await refusal(house, "input_image", url)
    assert "not public" in message or "must be an https URL" in message


async def test_a_redirect_of_a_webhook_is_not_followed(build):
    """It is a status like another, and the message goes nowhere else."""
    elsewhere = []

    async def other(writer):
        elsewhere.append(writer)

    async with host(other) as (second, _):

        async def redirect(writer):
            writer.write(f"HTTP/1.1 307 Go\r\nLocation: {second}\r\nContent-Length: 0\r\n\r\n".encode())

        house = await build(works=False, egress_allow=LOOPBACK)
        async with host(redirect) as (url, _):
            job = (await house.run(SMALL | {"webhook_url": url})).json()["jobId"]
            await house.client.delete(f"/api/v1/jobs/{job}")
            line = await first_attempt(house, job)
    assert line["responseStatus"] == 307
    assert elsewhere == []


async def test_a_huge_picture_is_refused(build, monkeypatch):
    """A body beyond the limit is cut off, whether it says its length or not."""
    monkeypatch.setattr(images, "MAX_BYTES", 10_000)

    async def announced(writer):
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\n")

    async def endless(writer):
        writer.write(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n")
        while True:
            writer.write(b"x" * 4096)
            await writer.drain()

    house = await build(works=False, egress_allow=LOOPBACK)
    for answer in (announced, endless):
        async with host(answer) as (url, _):
            assert "more than 10000 bytes" in await refusal(house, "input_image", url)


async def test_a_slow_picture_is_refused(build, monkeypatch):
    """A body that trickles is given up when its time is over, however it is spread."""
    monkeypatch.setattr("fluxhouse.dialects.intake.FETCH_SECONDS", 0.3)

    async def trickle(writer):
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
        while True:
            writer.write(b"x")
            await writer.drain()
            await asyncio.sleep(0.02)

    house = await build(works=False, egress_allow=LOOPBACK)
    async with host(trickle) as (url, _):
        assert "within 0.3 seconds" in await refusal(house, "input_image", url)


async def test_a_receivers_huge_answer_is_not_read(build):
    """A webhook's receiver may send what it likes: its status is all that is taken and kept."""

    async def endless(writer):
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n\r\n")
        while True:
            writer.write(b"canary" * 4096)
            await writer.drain()

    house = await build(works=False, egress_allow=LOOPBACK)
    async with host(endless) as (url, _):
        job = (await house.run(SMALL | {"webhook_url": url})).json()["jobId"]
        await house.client.delete(f"/api/v1/jobs/{job}")
        line = await first_attempt(house, job)
    assert line["responseStatus"] == 200
    assert line["milliseconds"] < 5000
    assert "canary" not in str(line)


async def test_pixazo_keeps_the_same_rules(idle_house):
    """The other dialect's picture and header go the same way."""
    headers = {"Ocp-Apim-Subscription-Key": idle_house.key}
    for url, words in (("https://169.254.169.254/", "not public"), ("https://a:b@8.8.8.8/", "credentials")):
        picture = await idle_house.client.post(
            "/flux-dev/v1/dev/imageToImage", json={"prompt": "a", "image_url": url}, headers=headers
        )
        webhook = await idle_house.client.post(
            "/flux-dev/v1/dev/textToImage", json={"prompt": "a"}, headers=headers | {"X-Webhook-URL": url}
        )
        assert [answer.status_code for answer in (picture, webhook)] == [400, 400]
        assert (picture.json()["field"], webhook.json()["field"]) == ("image_url", "X-Webhook-URL")
        assert words in picture.json()["message"]
        assert words in webhook.json()["message"]

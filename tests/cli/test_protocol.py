"""What never reaches the application: requests that are malformed, too large in the head, or never complete."""

import asyncio
import json
import re
import socket

import pytest
import uvicorn

from fluxhouse.cli import protocol
from fluxhouse.cli.protocol import BoundedProtocol


async def echo(scope, receive, send):
    """Answers with the size of the body, which it reads; at /unread it answers first, at /slow late."""
    size, more = 0, scope["path"] != "/unread"
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            return
        size, more = size + len(message["body"]), message.get("more_body", False)
    if scope["path"] == "/slow":
        await asyncio.sleep(0.3)
    content = str(size).encode()
    headers = [(b"content-length", str(len(content)).encode())]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": content})


@pytest.fixture
async def port():
    config = uvicorn.Config(echo, http=BoundedProtocol, lifespan="off", log_config=None, timeout_keep_alive=30)
    server = uvicorn.Server(config)
    listener = socket.create_server(("127.0.0.1", 0))
    serving = asyncio.create_task(server.serve(sockets=[listener]))
    yield listener.getsockname()[1]
    server.should_exit = True
    await serving


async def told(port, *pieces):
    """All that comes back until the connection ends, for bytes sent piece by piece."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        for piece in pieces:
            writer.write(piece)
            await writer.drain()
            await asyncio.sleep(0.02)
        return await asyncio.wait_for(reader.read(), 10)
    except ConnectionError:
        return b""
    finally:
        writer.close()


def refusal(answer):
    """Status, code and request id of the native error body."""
    head, _, body = answer.decode().partition("\r\n\r\n")
    error = json.loads(body)["error"]
    assert f"HTTP/1.1 {error['status']} " in head
    assert "connection: close" in head
    assert re.search("x-request-id: [0-9a-f]{32}", head)
    return error["status"], error["code"]


@pytest.mark.parametrize(
    "request_head",
    [b"NO SUCH THING\r\n\r\n", b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: -1\r\n\r\n",
     b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n"],
)  # fmt: skip
async def test_what_is_not_http_is_refused_as_json(port, request_head):
    """Even an answer from below the application is our error body with a request id."""
    assert refusal(await told(port, request_head)) == (400, "invalid_request")


async def test_headers_are_capped_while_they_come(port):
    """One endless header, many headers, an endless address and an endless trailer: none is kept."""
    block = b"x" * 40_000
    start = b"GET / HTTP/1.1\r\nHost: a\r\n"
    one = [start + b"X: ", block, block, block]
    many = [start, *(b"X-%d: " % n + block[:20_000] + b"\r\n" for n in range(5))]
    at_once = [start + b"X: " + block + b"\r\nY: " + block + b"\r\n\r\n"]
    for pieces in (one, many, at_once, [b"GET /", block, block, block]):
        assert refusal(await told(port, *pieces)) == (431, "request_headers_too_large")
    chunked = b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\nX: "
    assert refusal(await told(port, chunked, block, block, block)) == (431, "request_headers_too_large")


async def test_large_bodies_and_usual_headers_pass(port):
    """A megabyte in one piece, in many chunks, a head of 60 KB, a further request on the same connection."""
    large = b"y" * 1_000_000
    head = b"POST / HTTP/1.1\r\nHost: a\r\nX: " + b"x" * 60_000 + b"\r\nContent-Length: 1000000\r\n\r\n"
    chunks = b"".join(b"1\r\na\r\n" for _ in range(100_000))
    chunked = b"POST / HTTP/1.1\r\nHost: a\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n"
    answer = await told(port, head + large, b"\r\n", chunked + chunks + b"0\r\n\r\n")
    assert re.findall(rb"\r\n\r\n(\d+)", answer) == [b"1000000", b"100000"]


async def test_a_connection_that_brings_nothing_is_ended(port, monkeypatch):
    """Silence, line ends for ever, half a head, and half a body that nobody reads."""
    monkeypatch.setattr(protocol, "HEADER_SECONDS", 0.2)
    monkeypatch.setattr(protocol, "REQUEST_SECONDS", 0.2)
    assert await told(port) == b""
    assert await told(port, b"\r\n", b"\r\n") == b""
    half = b"POST / HTTP/1.1\r\nHost: a\r\n"
    assert refusal(await told(port, half)) == (408, "request_timeout")
    assert refusal(await told(port, half + b"Content-Length: 9\r\n\r\nabc")) == (408, "request_timeout")
    unread = b"POST /unread HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nabc"
    assert (await told(port, unread)).startswith(b"HTTP/1.1 200")
    further = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"
    assert (await told(port, further, b"\r\n")).startswith(b"HTTP/1.1 200")


async def test_a_slow_answer_ends_no_connection(port, monkeypatch):
    """Once a request is complete its answer may take as long as it likes."""
    monkeypatch.setattr(protocol, "HEADER_SECONDS", 0.05)
    monkeypatch.setattr(protocol, "REQUEST_SECONDS", 0.05)
    request = b"GET /slow HTTP/1.1\r\nHost: a\r\n\r\n"
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    for _ in range(2):
        writer.write(request)
        assert await reader.readuntil(b"\r\n\r\n0")
    writer.close()

"""The way out to local stand-ins of remote hosts: pinned to checked addresses, bounded in time, size and redirects."""

import asyncio
import ssl
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from ipaddress import ip_network
from pathlib import Path

import pytest

from fluxhouse.generation.errors import InputImageRefused, InvalidParameter
from fluxhouse.storage.fetch import Fetcher

LOOPBACK = [ip_network("127.0.0.0/8")]
CERTIFICATE = Path(__file__).with_name("pictures.example.pem")

Reply = Callable[[bytes, asyncio.StreamWriter], Awaitable[None]]


def answer(body: bytes = b"picture", status: str = "200 OK", **headers: str) -> Reply:
    """A reply with a length; header names are written with underscores."""

    async def reply(request: bytes, writer: asyncio.StreamWriter) -> None:
        lines = [f"HTTP/1.1 {status}", f"content-length: {len(body)}"]
        lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
        writer.write("\r\n".join([*lines, "", ""]).encode() + body)

    return reply


@asynccontextmanager
async def host(reply: Reply, tls: ssl.SSLContext | None = None) -> AsyncIterator[tuple[int, list[bytes]]]:
    """A host on 127.0.0.1 that answers each connection once; gives its port and the requests it saw."""
    requests: list[bytes] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            requests.append(await reader.readuntil(b"\r\n\r\n"))
            await reply(requests[-1], writer)
            await writer.drain()
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    listener = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=tls)
    try:
        yield listener.sockets[0].getsockname()[1], requests
    finally:
        listener.close()
        await listener.wait_closed()


@asynccontextmanager
async def fetching(**options: object) -> AsyncIterator[Fetcher]:
    fetcher = Fetcher(**{"allow": LOOPBACK, **options})
    try:
        yield fetcher
    finally:
        await fetcher.aclose()


class Names:
    """A name server whose answer may differ each time it is asked; it remembers what it was asked."""

    def __init__(self, *answers: Sequence[str]) -> None:
        self.answers = list(answers)
        self.asked: list[str] = []

    async def __call__(self, name: str) -> Sequence[str]:
        self.asked.append(name)
        return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]


async def fetch(url: str, fetcher: Fetcher, max_bytes: int = 1000, seconds: float = 10) -> bytes:
    return await fetcher.get(url, max_bytes, seconds, "input_image")


async def refusal(url: str, fetcher: Fetcher, max_bytes: int = 1000, seconds: float = 10) -> str:
    with pytest.raises(InputImageRefused) as caught:
        await fetch(url, fetcher, max_bytes, seconds)
    assert caught.value.field == "input_image"
    assert caught.value.message.startswith("input_image ")
    return caught.value.message


async def test_a_picture_is_fetched() -> None:
    """The body comes back, and the request asks for it uncompressed, by the host's name, without a fragment."""
    names = Names(["127.0.0.1"])
    async with host(answer()) as (port, requests), fetching(resolve=names) as fetcher:
        assert await fetch(f"http://Pictures.example:{port}/a?b=c#d", fetcher) == b"picture"
    lines = requests[0].lower().split(b"\r\n")
    assert lines[0] == b"get /a?b=c http/1.1"
    assert f"host: pictures.example:{port}".encode() in lines
    assert b"accept-encoding: identity" in lines
    assert not any(line.startswith((b"cookie", b"authorization", b"referer")) for line in lines)
    assert names.asked == ["pictures.example"]


async def test_the_machines_own_resolver() -> None:
    """Without an injected resolver, names resolve as on this machine, and an impossible one is refused."""
    async with host(answer()) as (port, _), fetching(allow=[*LOOPBACK, ip_network("::1/128")]) as fetcher:
        assert await fetch(f"http://localhost:{port}/", fetcher) == b"picture"
    async with fetching() as fetcher:
        assert "does not resolve" in await refusal(f"https://{'a' * 64}.example/", fetcher)


@pytest.mark.parametrize(
    "place", ["127.0.0.1", "[::ffff:127.0.0.1]", "127.1", "2130706433", "0x7f.0.0.1", "localhost", "[::1]", "0.0.0.0"]
)
async def test_this_machine_is_refused_in_every_spelling(place: str) -> None:
    """Without an allow-list, no spelling of a local address gets a connection, and the message holds no address."""
    async with host(answer()) as (port, requests), fetching(allow=[], allow_http=True) as fetcher:
        message = await refusal(f"http://{place}:{port}/", fetcher)
        assert "not public" in message
        assert "127" not in message
    assert requests == []


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("", "https URL"),
        ("picture.png", "https URL"),
        ("ftp://8.8.8.8/a", "https URL"),
        ("file:///etc/passwd", "https URL"),
        ("gopher://8.8.8.8/", "https URL"),
        ("https:///a", "https URL"),
        ("http://8.8.8.8/", "https URL"),
        ("https://user:secret@8.8.8.8/", "credentials"),
        ("https://user@8.8.8.8/", "credentials"),
        ("https://a\\@8.8.8.8/", "credentials"),
        ("https://8.8.8.8:22/", "port"),
        ("https://8.8.8.8:0/", "port"),
        ("https://8.8.8.8:70000/", "port"),
        ("https://8.8.8.8:x/", "not a URL"),
        ("https://8.8.8.8/\n", "not a URL"),
        ("https://[::1/", "not a URL"),
        ("https://169.254.169.254/latest/meta-data", "not public"),
        ("https://[fd00:ec2::254]/", "not public"),
        ("https://8.8.8.8/" + "a" * 5000, "longer"),
    ],
)
async def test_urls_refused_before_any_connection(url: str, reason: str) -> None:
    """Wrong schemes, credentials, ports, local addresses and broken URLs are refused by name."""
    async with fetching() as fetcher:
        message = await refusal(url, fetcher)
    assert reason in message
    assert "secret" not in message


async def test_one_private_address_among_public_ones_refuses_the_host() -> None:
    """Every address of a name counts, also one that is no address at all."""
    for found in (["8.8.8.8", "10.0.0.1"], ["10.0.0.1", "2606:4700::1111"], ["8.8.8.8", "::ffff:192.168.0.1"]):
        async with fetching(resolve=Names(found)) as fetcher:
            assert "not public" in await refusal("https://pictures.example/", fetcher)
    for found in ([], ["8.8.8.8", "nonsense"]):
        async with fetching(resolve=Names(found)) as fetcher:
            assert "does not resolve" in await refusal("https://pictures.example/", fetcher)


async def test_rebinding_is_of_no_use() -> None:
    """A name is resolved once a hop and the connection goes there, whatever the name server says afterwards."""
    names = Names(["127.0.0.1"], ["127.0.0.2"])
    async with host(answer()) as (port, requests), fetching(resolve=names) as fetcher:
        assert await fetch(f"http://pictures.example:{port}/", fetcher) == b"picture"
    assert len(requests) == len(names.asked) == 1


async def test_a_redirect_to_a_rebound_name_is_checked_again() -> None:
    """The same name that leads to a private address on the second hop is refused there."""
    names = Names(["127.0.0.1"], ["10.0.0.1"])
    moved = answer(status="302 Found", location="/again")
    async with host(moved) as (port, requests), fetching(resolve=names) as fetcher:
        assert "not public" in await refusal(f"http://pictures.example:{port}/", fetcher)
    assert len(requests) == 1


async def test_the_second_address_serves_where_the_first_does_not() -> None:
    """Where nothing listens at one address of a name, the next is tried."""
    names = Names(["127.0.0.9", "127.0.0.1"])
    async with host(answer()) as (port, _), fetching(resolve=names) as fetcher:
        assert await fetch(f"http://pictures.example:{port}/", fetcher) == b"picture"


@pytest.mark.parametrize("status", ["301 Moved", "302 Found", "303 See Other", "307 Temporary", "308 Permanent"])
async def test_redirects_are_followed(status: str) -> None:
    """Three redirects, relative ones too, lead to the picture."""

    async def reply(request: bytes, writer: asyncio.StreamWriter) -> None:
        count = int(request.split()[1].strip(b"/") or 0)
        chosen = answer(status=status, location=f"{count + 1}") if count < 3 else answer()
        await chosen(request, writer)

    async with host(reply) as (port, requests), fetching() as fetcher:
        assert await fetch(f"http://127.0.0.1:{port}/0", fetcher) == b"picture"
    assert len(requests) == 4


@pytest.mark.parametrize(
    ("location", "reason"),
    [
        ("/", "redirects more than 3 times"),
        ("http://169.254.169.254/latest", "not public"),
        ("https://10.0.0.1/", "not public"),
        ("//[::1]/", "not public"),
        ("file:///etc/passwd", "https URL"),
        ("http://a:b@127.0.0.1/", "credentials"),
        ("https://broken:x/", "no URL"),
    ],
)
async def test_redirects_are_checked(location: str, reason: str) -> None:
    """A redirect leads only where the first URL might have led, and not for ever."""
    async with host(answer(status="302 Found", location=location)) as (port, _), fetching() as fetcher:
        assert reason in await refusal(f"http://127.0.0.1:{port}/", fetcher)


@pytest.mark.parametrize("status", ["204 No Content", "206 Partial", "304 Not Modified", "404 Not Found", "500 Oops"])
async def test_only_200_is_a_picture(status: str) -> None:
    """Any other status is refused and named."""
    async with host(answer(b"", status=status)) as (port, _), fetching() as fetcher:
        assert status[:3] in await refusal(f"http://127.0.0.1:{port}/", fetcher)


async def test_a_body_of_exactly_the_limit() -> None:
    """The limit is the largest size that is taken."""
    async with host(answer(b"x" * 1000)) as (port, _), fetching() as fetcher:
        assert len(await fetch(f"http://127.0.0.1:{port}/", fetcher)) == 1000
        assert "more than 999 bytes" in await refusal(f"http://127.0.0.1:{port}/", fetcher, max_bytes=999)


async def test_an_endless_body_is_cut_off() -> None:
    """A body without a length is given up as soon as it is larger than allowed."""
    sent = 0

    async def reply(request: bytes, writer: asyncio.StreamWriter) -> None:
        nonlocal sent
        writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
        while not writer.is_closing():
            writer.write(b"x" * 65_536)
            sent += 65_536
            await writer.drain()

    async with host(reply) as (port, _), fetching() as fetcher:
        assert "more than 100000 bytes" in await refusal(f"http://127.0.0.1:{port}/", fetcher, max_bytes=100_000)
    assert sent < 50_000_000


async def test_compressed_bodies_are_refused() -> None:
    """A body in a content coding is not unpacked."""
    async with host(answer(content_encoding="gzip")) as (port, _), fetching() as fetcher:
        assert "compressed" in await refusal(f"http://127.0.0.1:{port}/", fetcher)


async def trickle(request: bytes, writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
    while not writer.is_closing():
        writer.write(b"x")
        await writer.drain()
        await asyncio.sleep(0.02)


async def silence(request: bytes, writer: asyncio.StreamWriter) -> None:
    await asyncio.sleep(0.6)


@pytest.mark.parametrize("reply", [trickle, silence])
async def test_the_deadline_is_for_the_whole_call(reply: Reply) -> None:
    """A host that drips or never answers is given up at the deadline, and the fetcher goes on working."""
    began = time.perf_counter()
    async with fetching() as fetcher:
        async with host(reply) as (port, _):
            assert "within 0.3 seconds" in await refusal(f"http://127.0.0.1:{port}/", fetcher, 10**6, 0.3)
        assert time.perf_counter() - began < 3
        async with host(answer()) as (port, _):
            assert await fetch(f"http://127.0.0.1:{port}/", fetcher) == b"picture"


async def test_a_slow_name_server_counts_too() -> None:
    """Time spent on resolving is part of the deadline."""

    async def resolve(name: str) -> Sequence[str]:
        await asyncio.sleep(60)
        return []

    async with fetching(resolve=resolve) as fetcher:
        assert "within 0.1 seconds" in await refusal("https://pictures.example/", fetcher, seconds=0.1)


@pytest.mark.parametrize(
    "start",
    [
        b"",
        b"nonsense\r\n\r\n",
        b"HTTP/1.1 200 OK\r\na",
        b"HTTP/1.1 200 OK\r\ncontent-length: 50\r\n\r\nshort",
        b"HTTP/1.1 200 OK\r\n" + b"a: b\r\n" * 100_000,
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n",
    ],
)
async def test_broken_answers_are_refused(start: bytes) -> None:
    """A host that hangs up, speaks something else or stops in the middle is a refusal, not a fault."""

    async def reply(request: bytes, writer: asyncio.StreamWriter) -> None:
        writer.write(start)

    async with host(reply) as (port, _), fetching() as fetcher:
        assert "broke off" in await refusal(f"http://127.0.0.1:{port}/", fetcher)


async def test_nothing_listens() -> None:
    """A refused connection is a refusal."""
    async with host(answer()) as (port, _):
        pass
    async with fetching() as fetcher:
        assert "could not be reached" in await refusal(f"http://127.0.0.1:{port}/", fetcher)


async def test_no_proxy_of_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Proxy settings of the environment are not followed: a proxy would resolve names by itself."""
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY", "https_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    async with host(answer()) as (port, _), fetching() as fetcher:
        assert await fetch(f"http://127.0.0.1:{port}/", fetcher) == b"picture"


async def test_no_cookie_is_kept() -> None:
    """What one answer sets is not sent with the next call."""
    async with host(answer(set_cookie="a=b; Path=/")) as (port, requests), fetching() as fetcher:
        await fetch(f"http://127.0.0.1:{port}/", fetcher)
        await fetch(f"http://127.0.0.1:{port}/", fetcher)
    assert b"cookie" not in requests[1].lower()


def listening_tls(seen: list[str | None]) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(CERTIFICATE)
    context.sni_callback = lambda _socket, name, _context: seen.append(name)
    return context


async def test_tls_is_checked_against_the_name() -> None:
    """Over TLS the certificate must be the host name's, though the connection goes to an address."""
    seen: list[str | None] = []
    trusted = ssl.create_default_context(cafile=str(CERTIFICATE))
    async with host(answer(), listening_tls(seen)) as (port, requests):
        async with fetching(resolve=Names(["127.0.0.1"]), tls=trusted) as fetcher:
            assert await fetch(f"https://pictures.example:{port}/", fetcher) == b"picture"
            assert seen == ["pictures.example"]
            for name in ("other.example", "127.0.0.1"):
                assert "could not be reached" in await refusal(f"https://{name}:{port}/", fetcher)
        async with fetching(resolve=Names(["127.0.0.1"])) as fetcher:
            assert "could not be reached" in await refusal(f"https://pictures.example:{port}/", fetcher)
    assert len(requests) == 1


async def test_post_sends_and_answers_with_the_status() -> None:
    """A post carries its headers and body, gives the status, and follows no redirect."""
    bodies: list[bytes] = []

    async def reply(request: bytes, writer: asyncio.StreamWriter) -> None:
        bodies.append(request)
        await answer(b"", status="302 Found", location="http://169.254.169.254/")(request, writer)

    async with host(reply) as (port, _), fetching(refusal=InvalidParameter) as fetcher:
        headers = {"content-type": "application/json", "webhook-id": "1"}
        assert await fetcher.post(f"http://127.0.0.1:{port}/hook", b"{}", headers, 10, "webhook") == 302
    sent = bodies[0].lower()
    assert sent.startswith(b"post /hook ")
    assert b"webhook-id: 1\r\n" in sent
    assert b"content-length: 2\r\n" in sent


async def test_post_and_check_refuse_alike() -> None:
    """Post and check keep the same rules, with the refusal that was chosen."""
    async with fetching(refusal=InvalidParameter, allow=[]) as fetcher:
        with pytest.raises(InvalidParameter, match="not public"):
            await fetcher.post("https://10.0.0.1/", b"", {}, 10, "webhook")
        with pytest.raises(InvalidParameter, match="not public") as caught:
            await fetcher.check("https://10.0.0.1/", 10, "webhook")
        assert caught.value.field == "webhook"
        await fetcher.check("https://8.8.8.8/hook", 10, "webhook")


async def test_many_calls_at_once() -> None:
    """Calls beyond the number of connections wait their turn and all come back."""
    async with host(answer()) as (port, requests), fetching() as fetcher:
        bodies = await asyncio.gather(*(fetch(f"http://127.0.0.1:{port}/", fetcher) for _ in range(100)))
    assert bodies == [b"picture"] * 100
    assert len(requests) == 100

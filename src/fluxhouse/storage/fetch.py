"""The one way out to URLs that callers chose: addresses checked and pinned, everything bounded."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from functools import cache
from typing import IO

import httpx2

from fluxhouse.generation.errors import InputImageRefused, RequestRejected
from fluxhouse.storage.addresses import Address, Network
from fluxhouse.storage.destinations import Destination, Destinations, Resolver, resolved

MAX_REDIRECTS = 3
_MAX_ADDRESSES = 3  # tried one after another
_CONNECT_SECONDS = 5.0
_BATCH_BYTES = 1 << 20
_USER_AGENT = "fluxhouse"


@cache
def _machines_trust() -> ssl.SSLContext:
    """The machine's trusted certificates, read once: that takes longer than opening a database."""
    return httpx2.create_ssl_context(trust_env=False)


class Fetcher:
    """Fetches from, and posts to, URLs that callers chose, within the rules of `Destinations`.

    The connection goes to one of the addresses that were checked, so an answer of the name server that changes
    meanwhile is of no use to anyone; each redirect is checked like the first URL. No proxy is used, and neither cookie
    nor connection is shared between calls. `tls` replaces the machine's trusted certificates.

    What is refused raises `refusal` with a message that names the parameter and the reason, and no address.
    """

    def __init__(
        self,
        allow: Sequence[Network] = (),
        *,
        allow_http: bool = False,
        refusal: type[RequestRejected] = InputImageRefused,
        resolve: Resolver = resolved,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self._destinations = Destinations(allow, allow_http, refusal, resolve)
        self._refusal = refusal
        # A kept connection belongs to an address, not to a name: reused, it would skip the next name's certificate.
        limits = httpx2.Limits(max_connections=64, max_keepalive_connections=0)
        # A bare transport: unlike a client it follows no redirect, keeps no cookie and reads no proxy setting.
        self._transport = httpx2.AsyncHTTPTransport(verify=tls or _machines_trust(), trust_env=False, limits=limits)

    async def get(self, url: str, max_bytes: int, seconds: float, field: str, token: str | None = None) -> bytes:
        """The body at `url`, at most `max_bytes` long and complete within `seconds`, following three redirects.

        The operator's `token`, if any, is shown to the host of `url` alone, until a redirect leads elsewhere.
        """
        body = bytearray()
        async with self._chunks(url, max_bytes, seconds, field, token) as chunks:
            async for chunk in chunks:
                body += chunk
        return bytes(body)

    async def download(
        self, url: str, file: IO[bytes], max_bytes: int, seconds: float, field: str, token: str | None = None
    ) -> None:
        """`get`, its answer written to `file` as it comes; what was written may be half where this raises."""
        async with self._chunks(url, max_bytes, seconds, field, token) as chunks:
            async for batch in _batched(chunks):
                await asyncio.to_thread(file.write, batch)

    async def post(self, url: str, content: bytes, headers: Mapping[str, str], seconds: float, field: str) -> int:
        """Send `content` to `url` and return the answer's status; its body is not read, no redirect is followed."""
        try:
            async with asyncio.timeout(seconds):
                destination = await self._destinations.checked(url, field)
                async with self._answer("POST", destination, field, headers, content) as response:
                    return response.status_code
        except TimeoutError:
            raise self._refused(field, f"did not answer within {seconds:g} seconds") from None

    async def check(self, url: str, seconds: float, field: str) -> None:
        """Return where `url` may be reached by these rules now; nothing is sent to it."""
        try:
            async with asyncio.timeout(seconds):
                await self._destinations.checked(url, field)
        except TimeoutError:
            raise self._refused(field, f"has a host name that did not resolve within {seconds:g} seconds") from None

    async def aclose(self) -> None:
        """Close what is still open."""
        await self._transport.aclose()

    @asynccontextmanager
    async def _chunks(
        self, url: str, max_bytes: int, seconds: float, field: str, token: str | None
    ) -> AsyncIterator[AsyncIterator[bytes]]:
        """The answer's body in pieces; the block around them ends within `seconds`."""
        try:
            async with asyncio.timeout(seconds), self._followed(url, field, token) as response:
                yield self._body(response, max_bytes, field)
        except TimeoutError:
            raise self._refused(field, f"could not be fetched within {seconds:g} seconds") from None

    @asynccontextmanager
    async def _followed(self, url: str, field: str, token: str | None) -> AsyncIterator[httpx2.Response]:
        """The first answer that is no redirect."""
        headers = {} if token is None else {"authorization": f"Bearer {token}"}
        for _ in range(MAX_REDIRECTS + 1):
            destination = await self._destinations.checked(url, field)
            async with self._answer("GET", destination, field, headers) as response:
                if not response.has_redirect_location:
                    yield response
                    return
                url = self._joined(destination.url, response.headers["location"], field)
            if _origin(httpx2.URL(url)) != _origin(destination.url):
                headers = {}
        raise self._refused(field, f"redirects more than {MAX_REDIRECTS} times")

    def _joined(self, asked: httpx2.URL, location: str, field: str) -> str:
        try:
            return str(asked.join(location))
        except httpx2.InvalidURL:
            raise self._refused(field, "redirects to something that is no URL") from None

    @asynccontextmanager
    async def _answer(
        self,
        method: str,
        destination: Destination,
        field: str,
        headers: Mapping[str, str] | None = None,
        content: bytes | None = None,
    ) -> AsyncIterator[httpx2.Response]:
        """One request and its answer, the body not yet read."""
        try:
            response = await self._send(method, destination, headers or {}, content)
            try:
                yield response
            finally:
                await response.aclose()
        except (httpx2.HTTPError, httpx2.InvalidURL, ssl.SSLError):
            raise self._refused(field, "could not be reached, or its answer broke off") from None

    async def _send(
        self, method: str, destination: Destination, headers: Mapping[str, str], content: bytes | None
    ) -> httpx2.Response:
        """The first address's answer; the next address is tried only where no connection came about."""
        *others, last = destination.addresses[:_MAX_ADDRESSES]
        for address in others:
            try:
                return await self._transport.handle_async_request(
                    _request(method, destination.url, address, headers, content)
                )
            except (httpx2.ConnectError, httpx2.ConnectTimeout):
                continue
        return await self._transport.handle_async_request(_request(method, destination.url, last, headers, content))

    async def _body(self, response: httpx2.Response, max_bytes: int, field: str) -> AsyncIterator[bytes]:
        if response.status_code != 200:
            raise self._refused(field, f"answered with status {response.status_code} instead of 200")
        # Decoding could turn a small chunk into a huge one, and identity was asked for.
        if response.headers.get("content-encoding", "identity").strip().lower() != "identity":
            raise self._refused(field, "was sent compressed; send it as it is")
        too_large = self._refused(field, f"leads to more than {max_bytes} bytes")
        if _announced(response) > max_bytes:
            raise too_large
        size = 0
        async for chunk in response.aiter_raw():
            size += len(chunk)
            if size > max_bytes:
                raise too_large
            yield chunk

    def _refused(self, field: str, reason: str) -> RequestRejected:
        return self._refusal(f"{field} {reason}.", field=field)


def _announced(response: httpx2.Response) -> int:
    """How many bytes the answer says that it has; 0 where it does not say."""
    length = response.headers.get("content-length", "")
    return int(length[:19]) if length.isascii() and length.isdigit() else 0


def _origin(url: httpx2.URL) -> tuple[str, str, int | None]:
    return url.scheme, url.host.rstrip("."), url.port


async def _batched(chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """The same bytes in fewer pieces, each worth a thread's while."""
    batch = bytearray()
    async for chunk in chunks:
        batch += chunk
        if len(batch) >= _BATCH_BYTES:
            yield bytes(batch)
            batch.clear()
    yield bytes(batch)


def _request(
    method: str, url: httpx2.URL, address: Address, headers: Mapping[str, str], content: bytes | None
) -> httpx2.Request:
    """The request for `url`, its connection pinned to `address`; name and certificate stay the host's."""
    own = {
        "host": url.netloc.decode("ascii"),
        "user-agent": _USER_AGENT,
        "accept-encoding": "identity",
        "connection": "close",
    }
    timeouts = {"connect": _CONNECT_SECONDS, "read": None, "write": None, "pool": None}
    return httpx2.Request(
        method,
        url.copy_with(host=str(address), fragment=None),
        headers={**headers, **own},
        content=content,
        extensions={"timeout": timeouts, "sni_hostname": url.raw_host.decode("ascii").rstrip(".")},
    )

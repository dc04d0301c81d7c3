"""Where a caller's URL may lead: the rules for its scheme, port and every address of its host."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import httpx2

from fluxhouse.generation.errors import RequestRejected
from fluxhouse.storage.addresses import Address, Network, is_allowed, is_public, parsed

Resolver = Callable[[str], Awaitable[Sequence[str]]]

_PORTS = {80, 443}
_LONGEST_URL = 4096  # characters

# Names that never resolve hold a thread each for many seconds: files must not wait for them, nor one caller's names
# for another's, of which webhooks let an account have eight at a time.
_RESOLVERS = ThreadPoolExecutor(max_workers=32, thread_name_prefix="resolve")


@dataclass(frozen=True, slots=True)
class Destination:
    """A URL and the addresses, all of them checked, at which its host is reached."""

    url: httpx2.URL
    addresses: tuple[Address, ...]


async def resolved(host: str) -> Sequence[str]:
    """The addresses of `host` by the machine's resolver; raises OSError."""
    loop = asyncio.get_running_loop()
    found = await loop.run_in_executor(_RESOLVERS, lambda: socket.getaddrinfo(host, None, type=socket.SOCK_STREAM))
    return [str(address[0]) for *_, address in found]


class Destinations:
    """The rules, and the resolver that finds a host's addresses.

    A URL must be https without credentials, on port 443 or 80, and every address of its host public. Hosts whose
    addresses all lie in the operator's networks `allow` may also be reached by http and on any port; with `allow_http`
    every public host may be reached by http.
    """

    def __init__(
        self, allow: Sequence[Network], allow_http: bool, refusal: type[RequestRejected], resolve: Resolver
    ) -> None:
        self._allow = tuple(allow)
        self._allow_http = allow_http
        self._refusal = refusal
        self._resolve = resolve

    async def checked(self, text: str, field: str) -> Destination:
        """Where the URL `text`, given as parameter `field`, leads; raises the refusal."""
        url = self._parsed(text, field)
        addresses = await self._addresses(url, field)
        if all(is_allowed(address, self._allow) for address in addresses):
            return Destination(url, addresses)
        if not all(is_public(address) or is_allowed(address, self._allow) for address in addresses):
            raise self._refused(field, "leads to an address that is not public")
        if url.scheme != "https" and not self._allow_http:
            raise self._refused(field, "must be an https URL")
        if url.port is not None and url.port not in _PORTS:
            raise self._refused(field, "must use port 80 or 443")
        return Destination(url, addresses)

    def _parsed(self, text: str, field: str) -> httpx2.URL:
        if len(text) > _LONGEST_URL:
            raise self._refused(field, f"is longer than {_LONGEST_URL} characters")
        try:
            url = httpx2.URL(text)
        except httpx2.InvalidURL:
            raise self._refused(field, "is not a URL") from None
        if url.scheme not in ("http", "https") or not url.host:
            raise self._refused(field, "must be an https URL")
        if url.port is not None and not 0 < url.port < 65536:
            raise self._refused(field, "has a port that does not exist")
        if url.userinfo:
            raise self._refused(field, "must not contain credentials")
        return url

    async def _addresses(self, url: httpx2.URL, field: str) -> tuple[Address, ...]:
        """Every address of the host; one that cannot be understood refuses them all."""
        literal = parsed(url.host)
        if literal is not None:
            return (literal,)
        try:
            found = await self._resolve(url.raw_host.decode("ascii"))
        except (OSError, ValueError):
            found = ()
        addresses = [parsed(text) for text in dict.fromkeys(found)]
        known = tuple(address for address in addresses if address is not None)
        if not known or len(known) != len(addresses):
            raise self._refused(field, "has a host name that does not resolve")
        return known

    def _refused(self, field: str, reason: str) -> RequestRejected:
        return self._refusal(f"{field} {reason}.", field=field)

"""One vendor's host, as the operator set it: requests with its key, what went wrong in our words, and downloads."""

from __future__ import annotations

import asyncio
import base64
import binascii
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

import httpx2

from fluxhouse.generation.errors import (
    PlatformError,
    ProviderFailed,
    ProviderRefused,
    ProviderUnavailable,
    RequestRejected,
)

MAX_IMAGE_BYTES = 64 * 1024 * 1024
_MAX_ANSWER_BYTES = 128 * 1024 * 1024  # base64 of an image, and more
_DOWNLOAD_SECONDS = 120.0
_CONNECT_SECONDS = 10.0
_LONGEST_MESSAGE = 300
_STILL_AT_WORK = ("timeout", "shutting_down")  # a Fluxhouse that lets its caller wait no longer; the job goes on

# Fetches what lies on another host by the rules for addresses of strangers: URL, most bytes, seconds.
Fetch = Callable[[str, int, float], Awaitable[bytes]]


@dataclass(frozen=True, slots=True)
class Answer:
    """A status and the JSON object that came with it, empty where there was none."""

    status: int
    body: Mapping[str, Any]

    @property
    def code(self) -> str | None:
        """The vendor's word for what is wrong, where it has one beside the message."""
        found = self.body.get("error")
        return str(found.get("code")) if isinstance(found, Mapping) else None

    @property
    def is_vendors(self) -> bool:
        """Whether what is wrong is told in the shape of one of the contracts, which no gateway before a vendor has."""
        return "detail" in self.body or isinstance(self.body.get("error"), Mapping)

    @property
    def message(self) -> str:
        """The vendor's own words for what is wrong."""
        found: object = self.body.get("detail") or self.body.get("error") or self.body.get("title") or ""
        if isinstance(found, list) and found:
            found = found[0]
        if isinstance(found, Mapping):
            found = found.get("message") or found.get("msg") or ""
        return str(found)[:_LONGEST_MESSAGE]


class Unanswered(Exception):
    """The request may have arrived; the answer has not."""


class PictureGone(ProviderFailed):
    """A picture is not to be had at the address that the vendor gave."""


class Refusal(ProviderRefused):
    """The vendor refused it, with this answer."""

    def __init__(self, message: str, answer: Answer) -> None:
        super().__init__(message)
        self.answer = answer


class Host:
    """`url` is where the vendor's contract begins; `headers` carry the key, and go to this host alone.

    An answer that is no picture may have `most_bytes`.
    """

    def __init__(
        self, name: str, url: str, headers: Mapping[str, str], fetch: Fetch, most_bytes: int = _MAX_ANSWER_BYTES
    ) -> None:
        self.name = name
        self._most_bytes = most_bytes
        self.url = url.rstrip("/")
        self._fetch = fetch
        self._origin = _origin(self.url)
        timeout = httpx2.Timeout(60.0, connect=_CONNECT_SECONDS)
        self._client = httpx2.AsyncClient(headers=dict(headers), timeout=timeout, trust_env=False)

    async def send(self, path: str, key: str, seconds: float = 60.0, **body: Any) -> Answer:
        """POST what costs money, and say whether it may have arrived.

        Raises `ProviderUnavailable` and other `ProviderFailed` where it has certainly not been taken in, and
        `Unanswered`. `body` is httpx's `json=`, or `content=` with `headers=`.
        """
        headers = {"idempotency-key": key, **body.pop("headers", {})}
        try:
            answer = await self._ask("POST", self.url + path, seconds, headers=headers, **body)
        except (httpx2.ConnectError, httpx2.ConnectTimeout, httpx2.PoolTimeout):
            raise ProviderUnavailable(f"{self.name} cannot be reached.") from None
        except (httpx2.HTTPError, TimeoutError):
            raise Unanswered from None
        if answer.status >= 300:
            raise self._refusal(answer)
        return answer

    async def ask(self, method: str, url: str, *, outcome: bool = False) -> Answer:
        """Ask what costs nothing; `url` is an address of this host, or a path. Raises `ProviderUnavailable`.

        An `outcome` has the status of what was made, so that a 500 with words is an answer.
        """
        try:
            answer = await self._ask(method, self.url + url if url.startswith("/") else url, 60.0)
        except (httpx2.HTTPError, httpx2.InvalidURL, TimeoutError):
            raise ProviderUnavailable(f"{self.name} cannot be reached.", charged=True) from None
        told = outcome and answer.body and answer.status in (500, 504)
        if answer.status in (401, 403, 408, 425, 429) or (answer.status >= 500 and not told):
            raise ProviderUnavailable(f"{self.name} answers with status {answer.status}.", charged=True)
        return answer

    async def image(self, place: str) -> bytes:
        """The picture at an address that the vendor gave.

        Raises `PictureGone` where another address is needed, `ProviderUnavailable` and `ProviderFailed`.
        """
        if place.startswith("data:"):
            return decoded(place.partition(",")[2])
        try:
            if _origin(place) != self._origin:
                return await self._fetch(place, MAX_IMAGE_BYTES, _DOWNLOAD_SECONDS)
            async with asyncio.timeout(_DOWNLOAD_SECONDS):
                status, content = await self._read("GET", place, MAX_IMAGE_BYTES, {})
        except ProviderFailed:
            raise
        except (RequestRejected, httpx2.InvalidURL) as error:
            raise PictureGone(f"{self.name}'s image is not to be had.", charged=True) from error
        except (httpx2.HTTPError, TimeoutError, PlatformError) as error:
            raise ProviderUnavailable(f"{self.name}'s image cannot be fetched.", charged=True) from error
        if status in (403, 404, 410):
            raise PictureGone(f"{self.name} has its image no more (status {status}).", charged=True)
        if status != 200:
            raise ProviderUnavailable(f"{self.name} gives its image with status {status}.", charged=True)
        return content

    async def aclose(self) -> None:
        await self._client.aclose()

    async def _ask(self, method: str, url: str, seconds: float, **body: Any) -> Answer:
        async with asyncio.timeout(seconds):
            status, content = await self._read(method, url, self._most_bytes, {"timeout": seconds, **body})
        try:
            parsed = httpx2.Response(200, content=content).json() if content else {}
        except ValueError:
            parsed = {}
        return Answer(status, parsed if isinstance(parsed, dict) else {})

    async def _read(self, method: str, url: str, max_bytes: int, options: Mapping[str, Any]) -> tuple[int, bytes]:
        """Status and body, without following redirects: the key is for one host."""
        content = bytearray()
        async with self._client.stream(method, url, **options) as response:
            async for chunk in response.aiter_bytes():
                content += chunk
                if len(content) > max_bytes:
                    raise ProviderFailed(f"{self.name} answers with more than {max_bytes} bytes.", charged=True)
        return response.status_code, bytes(content)

    def _refusal(self, answer: Answer) -> Exception:
        """Why a POST was not taken in; `Unanswered` where a gateway spoke, who does not know."""
        said = f" {self.name} says: {answer.message}" if answer.message else ""
        match answer.status:
            case _ if answer.code in _STILL_AT_WORK:
                return Unanswered()
            case 429:
                return ProviderUnavailable(f"{self.name} is busy.{said}")
            case 503 if answer.is_vendors:
                return ProviderUnavailable(f"{self.name} is busy.{said}")
            case 401 | 402 | 403:
                return ProviderFailed(f"{self.name} does not serve this installation (status {answer.status}).{said}")
            case 500 | 409 if answer.body:
                return ProviderFailed(f"{self.name} could not do it.{said}")
            case status if status >= 500 or status < 400:
                return Unanswered()
        return Refusal(f"{self.name} refused it.{said}", answer)


def decoded(text: str) -> bytes:
    """The bytes behind base64; raises `ProviderFailed`."""
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise ProviderFailed("The provider's answer is not a picture.", charged=True) from None


def _origin(url: str) -> tuple[str, str, int | None]:
    parsed = httpx2.URL(url)
    return parsed.scheme, parsed.host, parsed.port

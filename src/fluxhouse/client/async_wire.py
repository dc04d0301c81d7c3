"""The one place that sends: each call again until it is answered, the key only to our own host, event streams."""

from __future__ import annotations

from asyncio import sleep
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from importlib.metadata import PackageNotFoundError, version
from typing import TypeVar

import httpx2

from fluxhouse.client.asking import Call
from fluxhouse.client.errors import error_of
from fluxhouse.client.reading import Body, understood
from fluxhouse.client.retry import Attempts, Deadline, Retry, lost

T = TypeVar("T")

_CONNECT_SECONDS = 10.0


class AsyncWire:
    """A connection to one installation with one key."""

    def __init__(
        self,
        url: str,
        api_key: str | None,
        timeout: float,
        retry: Retry,
        transport: httpx2.AsyncBaseTransport | None,
    ) -> None:
        self.retry = retry
        self._root = f"{url.rstrip('/')}/api/v1/"
        self._key = {} if api_key is None else {"Authorization": f"Bearer {api_key}"}
        self._timeout = timeout
        self._http = httpx2.AsyncClient(transport=transport, headers={"User-Agent": _user_agent()})

    def __deepcopy__(self, _memo: object) -> AsyncWire:
        """Itself: `dataclasses.asdict` of a job copies what its images hold."""
        return self

    async def ask(self, call: Call, read: Callable[[Body], T], deadline: Deadline | None = None) -> T:
        """What `read` makes of the answer; raises `FluxhouseError`."""
        response = await self._answered(call, deadline or Deadline(None))
        return understood(read, response.content)

    async def download(self, url: str) -> bytes:
        """The bytes at an address that the API gave out, which carries its own permission."""
        response = await self._answered(Call("GET", url), Deadline(None))
        return response.content

    @asynccontextmanager
    async def stream(
        self, path: str, last_event_id: str, silence: float, deadline: Deadline
    ) -> AsyncIterator[httpx2.Response]:
        """An event stream, opened once; httpx2's errors where it breaks or is silent for so many seconds."""
        headers = self._key | {"Accept": "text/event-stream", "Cache-Control": "no-store"}
        if last_event_id:
            headers["Last-Event-ID"] = last_event_id
        timeout = self._patience(deadline.at_most(silence))
        async with self._http.stream("GET", self._root + path, headers=headers, timeout=timeout) as response:
            yield response

    async def aclose(self) -> None:
        """Close all connections."""
        await self._http.aclose()

    async def _answered(self, call: Call, deadline: Deadline) -> httpx2.Response:
        attempts = Attempts(self.retry.lasting(call.patience), deadline)
        while True:
            try:
                response = await self._once(call, attempts.seconds_left(max(self._timeout, call.patience)))
            except httpx2.RequestError as fault:
                failure = lost(fault)
            else:
                if response.is_success:
                    return response
                failure = error_of(response.status_code, response.headers, response.content)
            pause = attempts.pause(failure)
            if pause is None:
                raise failure
            await sleep(pause)

    async def _once(self, call: Call, seconds: float) -> httpx2.Response:
        # An output's address is signed, and may lead to another host: that one gets no key.
        signed = "://" in call.path
        return await self._http.request(
            call.method,
            call.path if signed else self._root + call.path,
            params=dict(call.params) or None,
            headers=dict(call.headers) if signed else {**self._key, **call.headers},
            content=call.content,
            timeout=self._patience(seconds),
            follow_redirects=signed,
        )

    def _patience(self, seconds: float) -> httpx2.Timeout:
        seconds = max(seconds, 0.001)
        return httpx2.Timeout(seconds, connect=min(seconds, _CONNECT_SECONDS))


def _user_agent() -> str:
    try:
        return f"fluxhouse-python/{version('fluxhouse')}"
    except PackageNotFoundError:
        return "fluxhouse-python"

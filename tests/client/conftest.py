"""A real installation behind a real HTTP server in a thread, and transports that lose, refuse and cut."""

from __future__ import annotations

import io
import socket
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx2
import numpy as np
import pytest
from PIL import Image
from safetensors.numpy import save

from fluxhouse import AsyncClient, Client
from fluxhouse.client import Retry
from fluxhouse.engine.testcard import TestCard
from fluxhouse.generation.backend import Progress
from fluxhouse.generation.errors import GenerationFailed
from fluxhouse.generation.request import GenerationRequest

QUICK, SLOW, FAILING, UNSERVED = "flux-dev", "flux-schnell", "flux-krea-dev", "flux-pro"
EAGER = Retry(attempts=5, first_seconds=0.01, longest_seconds=0.05, total_seconds=10.0)


class Unable:
    """A backend that fails every request."""

    name = "unable"
    slots = 4

    async def generate(self, request: GenerationRequest, inputs: Sequence[Path]) -> AsyncGenerator[Progress, None]:
        raise GenerationFailed("The brush broke.")
        yield


@pytest.fixture(scope="session")
def installation(install: Callable[..., Any]) -> Any:
    """One for all tests; each has its own account."""
    return install({QUICK: TestCard(), SLOW: TestCard(step_seconds=0.12, steps=4), FAILING: Unable()})


@pytest.fixture
def key(installation: Any) -> str:
    """The key of an account with a hundred credits."""
    return installation.new_key()


Send = Callable[[httpx2.Request], Awaitable[httpx2.Response]]
Fault = Callable[[httpx2.Request, Send], Awaitable[httpx2.Response]]


@dataclass
class Line(httpx2.AsyncBaseTransport):
    """The way to the server: notes every request, and does to those that match what a test has laid in their way."""

    inner: httpx2.AsyncBaseTransport = field(default_factory=httpx2.AsyncHTTPTransport)
    faults: list[tuple[str, Fault]] = field(default_factory=list)
    sent: list[httpx2.Request] = field(default_factory=list)

    def lay(self, ending: str, *faults: Fault) -> None:
        """The next requests whose path ends so meet these faults, one each."""
        self.faults += [(ending, fault) for fault in faults]

    def paths(self) -> list[str]:
        return [f"{request.method} {request.url.path.removeprefix('/api/v1/')}" for request in self.sent]

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        self.sent.append(request)
        for ending, fault in self.faults:
            if request.url.path.endswith(ending):
                self.faults.remove((ending, fault))
                return await fault(request, self.inner.handle_async_request)
        return await self.inner.handle_async_request(request)

    async def aclose(self) -> None:
        await self.inner.aclose()


async def unreachable(request: httpx2.Request, send: Send) -> httpx2.Response:
    """The connection cannot be made."""
    raise httpx2.ConnectError("refused", request=request)


async def silent(request: httpx2.Request, send: Send) -> httpx2.Response:
    """The server takes the request and says nothing."""
    raise httpx2.ReadTimeout("silence", request=request)


async def answer_lost(request: httpx2.Request, send: Send) -> httpx2.Response:
    """The server does what was asked, and the connection breaks before anybody hears of it."""
    response = await send(request)
    await response.aread()
    await response.aclose()
    raise httpx2.ReadError("broken", request=request)


def answered(status: int, body: object = None, **headers: str) -> Fault:
    """Something else answers in the server's place."""

    async def fault(request: httpx2.Request, send: Send) -> httpx2.Response:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return httpx2.Response(status, headers=named, **({} if body is None else {"json": body}))

    return fault


def cut_after(marker: bytes) -> Fault:
    """The answer breaks right after these bytes of it."""

    async def fault(request: httpx2.Request, send: Send) -> httpx2.Response:
        response = await send(request)
        return httpx2.Response(response.status_code, headers=response.headers, stream=Cut(response, marker))

    return fault


class Cut(httpx2.AsyncByteStream):
    """A body up to and with some bytes."""

    def __init__(self, response: httpx2.Response, marker: bytes) -> None:
        self.response = response
        self.marker = marker

    async def __aiter__(self) -> AsyncIterator[bytes]:
        seen = b""
        async for chunk in self.response.stream:
            before = len(seen)
            seen += chunk
            if self.marker in seen:
                yield seen[before : seen.index(self.marker) + len(self.marker)]
                raise httpx2.ReadError("cut")
            yield chunk

    async def aclose(self) -> None:
        await self.response.aclose()


@pytest.fixture
def line() -> Line:
    return Line()


@pytest.fixture
async def client(installation: Any, key: str, line: Line) -> AsyncIterator[AsyncClient]:
    """An asynchronous client that hardly pauses between attempts."""
    async with AsyncClient(key, installation.url, retry=EAGER, transport=line) as opened:
        yield opened


@pytest.fixture
def sync_client(installation: Any, key: str) -> Iterator[Client]:
    """The synchronous twin."""
    with Client(key, installation.url, retry=EAGER) as opened:
        yield opened


@pytest.fixture
def photo() -> bytes:
    """A PNG of 64 by 48 pixels."""
    file = io.BytesIO()
    Image.new("RGB", (64, 48), (200, 90, 40)).save(file, "PNG")
    return file.getvalue()


@pytest.fixture(scope="session")
def lora_file() -> Callable[[float], bytes]:
    """Makes a small whole LoRA; another seed is another content."""

    def make(seed: float) -> bytes:
        shapes = {"lora_A": (2, 4), "lora_B": (6, 2)}
        tensors = {name: np.full(shape, seed, np.float32) for name, shape in shapes.items()}
        return save({f"transformer.x_embedder.{name}.weight": tensor for name, tensor in tensors.items()})

    return make


@pytest.fixture
def deaf() -> Iterator[str]:
    """The address of a server that takes connections and never says anything."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"


@dataclass(frozen=True)
class Kit:
    """What tests import from here, as import-mode importlib has no conftest modules."""

    unreachable: Fault = unreachable
    silent: Fault = silent
    answer_lost: Fault = answer_lost
    answered: Callable[..., Fault] = answered
    cut_after: Callable[[bytes], Fault] = cut_after
    eager: Retry = EAGER
    quick: str = QUICK
    slow: str = SLOW
    failing: str = FAILING
    unserved: str = UNSERVED


@pytest.fixture(scope="session")
def kit() -> Kit:
    return Kit()

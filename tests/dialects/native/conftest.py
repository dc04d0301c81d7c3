"""A host on 127.0.0.1 that answers as Hugging Face, CivitAI and anybody's own host do, and LoRA files to put there."""

from __future__ import annotations

import asyncio
import json
import struct
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from ipaddress import ip_network
from typing import Any

import pytest

LOOPBACK = (ip_network("127.0.0.0/8"), ip_network("::1/128"))


def make_lora_file(seed: float = 0.0, module: str = "transformer.x_embedder", rows: int = 6, **metadata: str) -> bytes:
    """A small whole safetensors file; another seed is another content."""
    shapes = {f"{module}.lora_A.weight": (2, 4), f"{module}.lora_B.weight": (rows, 2)}
    entries, end = {}, 0
    for name, (height, width) in shapes.items():
        begin, end = end, end + 4 * height * width
        entries[name] = {"dtype": "F32", "shape": [height, width], "data_offsets": [begin, end]}
    text = json.dumps(entries | ({"__metadata__": metadata} if metadata else {})).encode()
    return struct.pack("<Q", len(text)) + text + struct.pack("<f", seed) * (end // 4)


@dataclass
class Hub:
    """What stands at which path, without the query: bytes, JSON, a redirect, or a status; and what was asked."""

    port: int = 0
    pages: dict[str, bytes | Mapping[str, object] | str | int] = field(default_factory=dict)
    requests: list[tuple[str, str]] = field(default_factory=list)
    pause_seconds: float = 0.0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def elsewhere(self) -> str:
        """The same pages at a host that is no hub."""
        return f"http://localhost:{self.port}"

    @property
    def paths(self) -> list[str]:
        """What was asked for, in order."""
        return [path for path, _ in self.requests]

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            lines = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
            headers = dict(line.lower().split(": ", 1) for line in lines[1:] if line)
            path = lines[0].split(" ")[1]
            self.requests.append((path, headers.get("authorization", "")))
            await asyncio.sleep(self.pause_seconds)
            writer.write(self._page(path.partition("?")[0]))
            await writer.drain()
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    def _page(self, path: str) -> bytes:
        page = self.pages.get(path, 404)
        if isinstance(page, str):
            return f"HTTP/1.1 302 Found\r\nlocation: {page}\r\ncontent-length: 0\r\n\r\n".encode()
        if isinstance(page, int):
            return f"HTTP/1.1 {page} Sorry\r\ncontent-length: 0\r\n\r\n".encode()
        body = page if isinstance(page, bytes) else json.dumps(page).encode()
        return f"HTTP/1.1 200 OK\r\ncontent-length: {len(body)}\r\n\r\n".encode() + body


@pytest.fixture
def lora_file() -> Callable[..., bytes]:
    return make_lora_file


@pytest.fixture
async def hub() -> AsyncIterator[Hub]:
    """A hub that listens on a port of its own."""
    hub = Hub()
    listener = await asyncio.start_server(hub.answer, "127.0.0.1", 0)
    hub.port = listener.sockets[0].getsockname()[1]
    yield hub
    listener.close()
    await listener.wait_closed()


@pytest.fixture
async def hub_house(build: Callable[..., Awaitable[Any]], hub: Hub) -> Any:
    """A house in which nobody works, whose LoRA hubs are that hub."""
    return await build(
        works=False, egress_allow=LOOPBACK, hf_url=hub.url, civitai_url=hub.url, hf_token="hf-secret", lora_bytes=1000
    )

"""A lean HTTP/1.1 caller for load: one connection, few instructions, so that the server is what is measured."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from fluxhouse.cli.bench.processor import Spent


@dataclass(frozen=True, slots=True)
class Load:
    """What one series measured; latencies in seconds, in order; `spent` is the processor time of all who had part."""

    clients: int
    seconds: float
    latencies: list[float]
    refused: int
    spent: Spent | None = None

    @property
    def per_second(self) -> float:
        return len(self.latencies) / self.seconds

    def percentile_ms(self, percent: float) -> float:
        """The latency that so many percent of the calls did not exceed, in milliseconds."""
        ordered = sorted(self.latencies)
        return ordered[min(len(ordered) - 1, int(len(ordered) * percent / 100))] * 1000


class Connection:
    """One keep-alive connection that sends ready-made requests."""

    def __init__(self, host: str, port: int) -> None:
        self._host, self._port = host, port
        self._reader: asyncio.StreamReader | None = None
        self._writer: asyncio.StreamWriter | None = None

    async def call(self, request: bytes) -> tuple[int, bytes]:
        """Status and body of one request."""
        if self._reader is None or self._writer is None:
            self._reader, self._writer = await asyncio.open_connection(self._host, self._port)
        self._writer.write(request)
        head = await self._reader.readuntil(b"\r\n\r\n")
        lowered = head.lower()
        at = lowered.index(b"content-length:") + len(b"content-length:")
        length = int(lowered[at : lowered.index(b"\r\n", at)])
        return int(head[9:12]), await self._reader.readexactly(length)

    def close(self) -> None:
        if self._writer is not None:
            self._writer.close()


def request_bytes(method: str, path: str, host: str, key: str, body: bytes = b"") -> bytes:
    """A complete HTTP/1.1 request."""
    lines = [f"{method} {path} HTTP/1.1", f"Host: {host}", f"Authorization: Bearer {key}"]
    if body:
        lines += ["Content-Type: application/json", f"Content-Length: {len(body)}"]
    return ("\r\n".join(lines) + "\r\n\r\n").encode() + body


async def drive(ports: Sequence[int], clients: int, calls: int, request: Callable[[int], bytes], expected: int) -> Load:
    """Let `clients` connections, spread over the ports, make `calls` calls in all, each as fast as answers allow."""
    numbers = iter(range(calls))
    latencies: list[float] = []
    refused = 0

    async def client(port: int) -> None:
        nonlocal refused
        connection = Connection("127.0.0.1", port)
        for number in numbers:
            sent = time.perf_counter()
            status, _ = await connection.call(request(number))
            latencies.append(time.perf_counter() - sent)
            refused += status != expected
        connection.close()

    started = time.perf_counter()
    await asyncio.gather(*(client(ports[number % len(ports)]) for number in range(clients)))
    return Load(clients, time.perf_counter() - started, latencies, refused)

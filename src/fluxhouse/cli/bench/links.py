"""Networks of a campaign: TCP relays between processes and what they need, to be cut and healed one by one."""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import Coroutine
from contextlib import suppress
from enum import StrEnum
from threading import Thread
from typing import Any, TypeVar

T = TypeVar("T")

Address = tuple[str, int] | str  # host and port, or the path of a UNIX socket
_CHUNK_BYTES = 1 << 16
_RESET = struct.pack("ii", 1, 0)  # SO_LINGER of zero seconds: what is not sent is dropped, the other end gets an RST


class Cut(StrEnum):
    """How a network fails.

    `reset`: what stands is torn with the bytes on their way, and who connects is torn at once. `silence`: nothing
    arrives and nothing is said; what was under way arrives after the cut, as TCP sends it again.
    """

    RESET = "reset"
    SILENCE = "silence"


class Link:
    """The way from one process to one address; made by `Network.link`."""

    def __init__(self, network: Network, target: Address) -> None:
        self._network, self._target = network, target
        self._listener: asyncio.Server | None = None
        self._streams: set[asyncio.StreamWriter] = set()
        self._open = asyncio.Event()
        self._open.set()
        self._torn = False
        self.port = 0

    def cut(self, how: Cut) -> None:
        """Let nothing pass from here on."""
        self._network.run(self._cut(how))

    def heal(self) -> None:
        """Let everything pass again."""
        self._network.run(self._heal())

    async def listen(self) -> None:
        self._listener = await asyncio.start_server(self._join, "127.0.0.1", 0)
        self.port = int(self._listener.sockets[0].getsockname()[1])

    async def end(self) -> None:
        assert self._listener is not None
        self._listener.close()
        self._tear()

    async def _cut(self, how: Cut) -> None:
        if how is Cut.SILENCE:
            self._open.clear()
        else:
            self._torn = True
            self._tear()

    async def _heal(self) -> None:
        self._torn = False
        self._open.set()

    def _tear(self) -> None:
        for stream in self._streams:
            _reset(stream)

    async def _join(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._torn:
            return _reset(writer)
        streams = {writer}
        self._streams.add(writer)
        try:
            await self._open.wait()
            if isinstance(self._target, str):
                far_reader, far_writer = await asyncio.open_unix_connection(self._target)
            else:
                far_reader, far_writer = await asyncio.open_connection(*self._target)
            streams.add(far_writer)
            self._streams.add(far_writer)
            await asyncio.gather(self._pump(reader, far_writer), self._pump(far_reader, writer))
        except OSError:
            pass  # one end is gone, so the other shall be
        finally:
            self._streams -= streams
            for stream in streams:
                _reset(stream)
        return None

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while chunk := await reader.read(_CHUNK_BYTES):
            await self._open.wait()
            writer.write(chunk)
            await writer.drain()
        await self._open.wait()
        with suppress(OSError):
            writer.write_eof()


class Network:
    """A thread that carries the bytes of every link."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._links: list[Link] = []
        self._thread = Thread(target=self._loop.run_forever, name="network", daemon=True)
        self._thread.start()

    def link(self, target: Address) -> Link:
        """A new way to that address: a port of 127.0.0.1 that leads there."""
        link = Link(self, target)
        self.run(link.listen())
        self._links.append(link)
        return link

    def close(self) -> None:
        """Tear every link and end the thread."""
        for link in self._links:
            self.run(link.end())
        self.run(_finish())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def run(self, coroutine: Coroutine[Any, Any, T]) -> T:
        """The value of a coroutine on the network's thread."""
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result(30)


async def _finish() -> None:
    others = asyncio.all_tasks() - {asyncio.current_task()}
    for task in others:
        task.cancel()
    await asyncio.gather(*others, return_exceptions=True)


def _reset(stream: asyncio.StreamWriter) -> None:
    with suppress(OSError):  # a UNIX socket has no such option, one that is closed none at all
        stream.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
    stream.transport.abort()

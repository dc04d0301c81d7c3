"""Messages between the engine and its process: msgpack mappings, each after its length, over one UNIX socket pair."""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import Mapping
from typing import Any

import msgpack

_LENGTH = struct.Struct(">I")

Frame = dict[str, Any]


class FrameTooLarge(Exception):
    """A frame is longer than this link allows."""


class LinkClosed(Exception):
    """The other side has closed the link."""


def pack(message: Mapping[str, Any], limit: int) -> bytes:
    """The bytes of one frame. Raises FrameTooLarge above `limit` bytes."""
    body: bytes = msgpack.packb(dict(message), use_bin_type=True)
    if len(body) > limit:
        raise FrameTooLarge(f"a frame of {len(body)} bytes is over the limit of {limit}")
    return _LENGTH.pack(len(body)) + body


def unpack(body: bytes) -> Frame:
    """The mapping in the body of a frame. Raises ValueError where it holds none."""
    message = msgpack.unpackb(body, raw=False, strict_map_key=True)
    if not isinstance(message, dict):
        raise ValueError(f"a frame holds a mapping, not {type(message).__name__}")
    return message


def receive(link: socket.socket, limit: int) -> Frame:
    """Wait for the next frame on a blocking socket. Raises LinkClosed at its end, FrameTooLarge above `limit` bytes."""
    (length,) = _LENGTH.unpack(_receive_exactly(link, _LENGTH.size))
    return unpack(_receive_exactly(link, _checked(length, limit)))


async def read(reader: asyncio.StreamReader, limit: int) -> Frame:
    """Wait for the next frame on a stream. Raises LinkClosed at its end, FrameTooLarge above `limit` bytes."""
    try:
        (length,) = _LENGTH.unpack(await reader.readexactly(_LENGTH.size))
        return unpack(await reader.readexactly(_checked(length, limit)))
    except (asyncio.IncompleteReadError, ConnectionError) as error:
        raise LinkClosed("the link was closed") from error


def _checked(length: int, limit: int) -> int:
    if length > limit:
        raise FrameTooLarge(f"a frame of {length} bytes is over the limit of {limit}")
    return length


def _receive_exactly(link: socket.socket, count: int) -> bytes:
    body = bytearray(count)
    view = memoryview(body)
    filled = 0
    while filled < count:
        received = link.recv_into(view[filled:])
        if received == 0:
            raise LinkClosed("the link was closed")
        filled += received
    return bytes(body)

"""Frames keep what they carry, and refuse what is too long."""

import asyncio
import socket
import struct

import pytest

from fluxhouse.engine import frames


def test_a_frame_arrives_as_it_left() -> None:
    """Bytes, text and numbers survive the link, two frames in order."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        for number in (1, 2):
            ours.sendall(frames.pack({"kind": "image", "number": number, "content": b"\xff\x00"}, 100))
        assert [frames.receive(theirs, 100)["number"] for _ in range(2)] == [1, 2]


def test_a_closed_link_is_told_apart() -> None:
    """The end of the link is LinkClosed, in the middle of a frame too."""
    ours, theirs = socket.socketpair()
    with theirs:
        ours.sendall(struct.pack(">I", 9) + b"half")
        ours.close()
        with pytest.raises(frames.LinkClosed):
            frames.receive(theirs, 100)


def test_too_long_a_frame_is_neither_sent_nor_read() -> None:
    """Both sides hold the limit; the reader by the length alone."""
    with pytest.raises(frames.FrameTooLarge):
        frames.pack({"content": bytes(200)}, 100)
    ours, theirs = socket.socketpair()
    with ours, theirs:
        ours.sendall(struct.pack(">I", 2**31))
        with pytest.raises(frames.FrameTooLarge):
            frames.receive(theirs, 100)


async def test_a_stream_reads_frames_too() -> None:
    """The parent's side reads the same frames, and the same end."""
    reader = asyncio.StreamReader()
    reader.feed_data(frames.pack({"kind": "pong"}, 100))
    reader.feed_eof()
    assert await frames.read(reader, 100) == {"kind": "pong"}
    with pytest.raises(frames.LinkClosed):
        await frames.read(reader, 100)


def test_a_frame_holds_a_mapping() -> None:
    """Anything else is no message."""
    with pytest.raises(ValueError, match="mapping"):
        frames.unpack(b"\x93\x01\x02\x03")

"""A link carries bytes until it is cut, and again when it is healed."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from threading import Thread

import pytest

from fluxhouse.cli.bench.links import Cut, Link, Network


@pytest.fixture
def link() -> Iterator[Link]:
    """A way to somebody who says everything back."""
    listener = socket.create_server(("127.0.0.1", 0))
    answering = Thread(target=_answer, args=(listener,))
    answering.start()
    network = Network()
    yield network.link(("127.0.0.1", listener.getsockname()[1]))
    network.close()
    listener.shutdown(socket.SHUT_RDWR)
    listener.close()
    answering.join(5)


def _answer(listener: socket.socket) -> None:
    while True:
        try:
            connection, _ = listener.accept()
        except OSError:
            return
        with connection:
            while said := _heard(connection):
                connection.sendall(said)


def _heard(connection: socket.socket) -> bytes:
    try:
        return connection.recv(100)
    except ConnectionResetError:
        return b""


def test_a_reset_tears_what_stands_and_what_comes(link: Link) -> None:
    """Whoever was connected is told at once, whoever connects during the cut too; after it all is well."""
    with socket.create_connection(("127.0.0.1", link.port), 5) as standing:
        standing.sendall(b"one")
        assert standing.recv(100) == b"one"
        link.cut(Cut.RESET)
        with pytest.raises(ConnectionResetError):
            standing.recv(100)
    # The reset may come while the connection is still being made.
    with pytest.raises(ConnectionResetError), socket.create_connection(("127.0.0.1", link.port), 5) as coming:
        coming.recv(100)
    link.heal()
    with socket.create_connection(("127.0.0.1", link.port), 5) as healed:
        healed.sendall(b"two")
        assert healed.recv(100) == b"two"


def test_silence_says_nothing_and_delivers_afterwards(link: Link) -> None:
    """During the cut nothing arrives; what was sent meanwhile does so when it is over."""
    with socket.create_connection(("127.0.0.1", link.port), 5) as standing:
        link.cut(Cut.SILENCE)
        standing.sendall(b"late")
        standing.settimeout(0.2)
        with pytest.raises(TimeoutError):
            standing.recv(100)
        link.heal()
        standing.settimeout(5)
        assert standing.recv(100) == b"late"

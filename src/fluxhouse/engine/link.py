"""The engine process's side of its link: frames out from any thread, frames in by one."""

from __future__ import annotations

import os
import select
import socket
import threading
from typing import Any

from fluxhouse.engine import frames


class Link:
    """A connected socket that carries frames; where nobody reads it any more, the process ends."""

    def __init__(self, link: socket.socket) -> None:
        self._link = link
        self._sending = threading.Lock()
        self.limit = 64 * 1024 * 1024

    def receive(self) -> frames.Frame:
        return frames.receive(self._link, self.limit)

    def send(self, **message: Any) -> None:
        """Send a frame; where nobody reads any more, the process ends."""
        packed = frames.pack(message, self.limit)
        try:
            with self._sending:
                self._link.sendall(packed)
        except ConnectionError:
            os._exit(0)

    def is_read(self) -> bool:
        """Whether a frame would be taken now: what may be lost is not made where the reader lags behind."""
        _, writable, _ = select.select([], [self._link], [], 0)
        return bool(writable)

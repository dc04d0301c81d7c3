"""The HTTP protocol with the limits that uvicorn's lacks: size of headers, time for a request, refusals as JSON."""

from __future__ import annotations

import asyncio
import json
from asyncio.events import TimerHandle
from http import HTTPStatus
from typing import Any
from uuid import uuid4

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

MAX_HEADER_BYTES = 64 * 1024  # the head of a request; also what may come in a row without any byte of a body
HEADER_SECONDS = 30.0  # from a connection, or the first byte of a further request, to the end of its headers
REQUEST_SECONDS = 180.0  # from there to the end of its body, for requests whose body nobody reads


class BoundedProtocol(HttpToolsProtocol):
    """Refuses what no application ever sees, before it holds memory or a connection: 400, 408 and 431.

    The parser keeps whatever comes until a header, or a trailer, is complete.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._idle_bytes = 0  # come since the parser had news
        self._timer: TimerHandle | None = None
        self._in_request = False
        self._in_body = False
        self._refused = False

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin to wait for a request."""
        super().connection_made(transport)
        self._allow(HEADER_SECONDS)

    def connection_lost(self, exc: Exception | None) -> None:
        """Wait no more."""
        self._stop_timer()
        super().connection_lost(exc)

    def data_received(self, piece: bytes) -> None:
        """Pass bytes on while they lead to something."""
        if self._refused:
            return  # what was on its way when the connection was closed
        self._idle_bytes += len(piece)
        super().data_received(piece)
        if self._timer is None and not self._in_request and self._answered:
            self._allow(HEADER_SECONDS)  # line ends alone stop uvicorn's timer and begin no request
        if self._idle_bytes > MAX_HEADER_BYTES:
            self._refuse_headers()

    def on_message_begin(self) -> None:
        """A request begins."""
        super().on_message_begin()
        self._in_request, self._in_body = True, False
        self._allow(HEADER_SECONDS)

    def on_headers_complete(self) -> None:
        """Its head is complete: hand it on, if it is not too large, which it may be within one read."""
        self._idle_bytes = len(self.url) + sum(len(name) + len(value) for name, value in self.headers)
        if self._idle_bytes > MAX_HEADER_BYTES:
            raise ValueError("headers too large")  # the parser stops, and calls `send_400_response`
        self._idle_bytes = 0
        self._allow(REQUEST_SECONDS)
        super().on_headers_complete()
        self._in_body = True

    def on_body(self, body: bytes) -> None:
        """Some of its body."""
        self._idle_bytes = 0
        super().on_body(body)

    def on_message_complete(self) -> None:
        """It is complete; how long its answer takes is the application's matter."""
        self._idle_bytes = 0
        self._in_request = self._in_body = False
        self._stop_timer()
        super().on_message_complete()

    def send_400_response(self, msg: str) -> None:
        """What the parser makes no sense of, or was told to stop at."""
        if self._idle_bytes > MAX_HEADER_BYTES:
            self._refuse_headers()
        else:
            self._refuse(400, "invalid_request", msg)

    @property
    def _answered(self) -> bool:
        return self.cycle is None or self.cycle.response_complete

    def _allow(self, seconds: float) -> None:
        self._stop_timer()
        self._timer = self.loop.call_later(seconds, self._too_slow)

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _too_slow(self) -> None:
        if self._in_request:
            self._refuse(408, "request_timeout", "The request did not come in time.")
        else:
            self.transport.close()  # nothing was asked

    def _refuse_headers(self) -> None:
        self._refuse(431, "request_headers_too_large", f"The headers may have at most {MAX_HEADER_BYTES:,} bytes.")

    def _refuse(self, status: int, code: str, message: str) -> None:
        """Answer, unless another answer is on its way, and close the connection."""
        if self._refused:
            return
        self._refused = True
        self._stop_timer()
        if self.transport.is_closing():
            return
        unanswered = self._in_body and not self.pipeline and not self.cycle.response_started
        if self._answered or unanswered:
            self.transport.write(_answer(status, code, message))
        self.transport.close()


def _answer(status: int, code: str, message: str) -> bytes:
    body = json.dumps({"error": {"code": code, "message": message, "status": status}}).encode()
    head = (
        f"HTTP/1.1 {status} {HTTPStatus(status).phrase}",
        "content-type: application/json",
        f"content-length: {len(body)}",
        f"x-request-id: {uuid4().hex}",
        "connection: close",
    )
    return "\r\n".join((*head, "", "")).encode() + body

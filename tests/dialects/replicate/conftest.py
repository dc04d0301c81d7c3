"""What the tests of this dialect share: a client before the live platform, small inputs, and a receiver of webhooks."""

from __future__ import annotations

import io
import queue
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import httpx2
import pytest
from PIL import Image

DEV, KONTEXT = "black-forest-labs/flux-dev", "black-forest-labs/flux-kontext-dev"
SLOW, FAILING, UNSERVED = (f"black-forest-labs/{name}" for name in ("flux-schnell", "flux-krea-dev", "flux-pro"))
SMALL = {"prompt": "a red boat", "megapixels": "0.25", "output_format": "jpg"}

Message = tuple[dict[str, str], bytes]


@pytest.fixture(scope="module")
def key(live: Any) -> str:
    """A key with credits for many pictures."""
    return live.new_key(1000)


@pytest.fixture(scope="module")
def client(live: Any, key: str) -> Iterator[httpx2.Client]:
    """A client of the live platform, without any SDK."""
    with httpx2.Client(base_url=live.url, headers={"Authorization": f"Bearer {key}"}, timeout=30) as client:
        yield client


@pytest.fixture(scope="module")
def create(client: httpx2.Client) -> Callable[..., httpx2.Response]:
    """Creates a prediction of a model by its name, small unless its input says otherwise."""

    def created(model: str = DEV, body: dict[str, Any] | None = None, headers: Any = None, **sent: Any) -> Any:
        whole = {"input": {name: value for name, value in (SMALL | sent).items() if value is not None}} | (body or {})
        return client.post(f"/v1/models/{model}/predictions", json=whole, headers=headers)

    return created


@pytest.fixture(scope="session")
def png() -> bytes:
    """A small picture."""
    file = io.BytesIO()
    Image.new("RGB", (64, 48), "red").save(file, "PNG")
    return file.getvalue()


class Receiver:
    """Takes webhooks at `url`; `next()` is the next message's headers and body."""

    def __init__(self) -> None:
        self.got: queue.Queue[Message] = queue.Queue()
        self.http = ThreadingHTTPServer(("127.0.0.1", 0), self._taking())
        self.url = f"http://127.0.0.1:{self.http.server_address[1]}/hook"

    def next(self) -> Message:
        return self.got.get(timeout=10)

    def _taking(self) -> type[BaseHTTPRequestHandler]:
        got = self.got

        class Taking(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                self.send_response(204)
                self.end_headers()
                got.put(({name.lower(): value for name, value in self.headers.items()}, body))

            def log_message(self, *_words: object) -> None:
                """Say nothing."""

        return Taking


@contextmanager
def listening() -> Iterator[Receiver]:
    receiver = Receiver()
    thread = threading.Thread(target=receiver.http.serve_forever, args=(0.05,))
    thread.start()
    try:
        yield receiver
    finally:
        receiver.http.shutdown()
        thread.join()
        receiver.http.server_close()


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    """Takes webhooks for the length of a test."""
    with listening() as receiver:
        yield receiver

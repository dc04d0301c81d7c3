"""What the tests of this dialect share: a caller before the live platform, a picture, and a receiver of webhooks."""

from __future__ import annotations

import io
import queue
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import httpx2
import pytest
from PIL import Image

DEV = "fal-ai/flux/dev"
SMALL = {"prompt": "a red boat", "image_size": {"width": 256, "height": 256}}


class Caller:
    """A client of this dialect, without any SDK."""

    def __init__(self, url: str, key: str) -> None:
        self.http = httpx2.Client(base_url=url, headers={"Authorization": f"Key {key}"}, timeout=30)

    def submit(self, endpoint: str = DEV, body: Any = SMALL, headers: Any = None, **query: str) -> httpx2.Response:
        return self.http.post(f"/fal/queue/{endpoint}", json=body, headers=headers, params=query)

    def run(self, endpoint: str = DEV, body: Any = SMALL, headers: Any = None) -> httpx2.Response:
        return self.http.post(f"/fal/run/{endpoint}", json=body, headers=headers)

    def status(self, submitted: httpx2.Response, logs: str = "0") -> httpx2.Response:
        return self.http.get(submitted.json()["status_url"], params={"logs": logs})

    def result(self, submitted: httpx2.Response) -> httpx2.Response:
        """The result once the request has ended."""
        for _ in range(200):
            if self.status(submitted).status_code == 200:
                return self.http.get(submitted.json()["response_url"])
            time.sleep(0.05)
        raise AssertionError("the request has not ended")


@pytest.fixture(scope="module")
def caller(live: Any) -> Iterator[Caller]:
    """Somebody with credits for many pictures."""
    caller = Caller(live.url, live.new_key(1000))
    yield caller
    caller.http.close()


@pytest.fixture
def stranger(live: Any) -> Iterator[Callable[..., Caller]]:
    """Makes others, with so many credits."""
    made: list[Caller] = []

    def another(credit: int = 100) -> Caller:
        made.append(Caller(live.url, live.new_key(credit)))
        return made[-1]

    yield another
    for caller in made:
        caller.http.close()


@pytest.fixture(scope="session")
def png() -> bytes:
    """A small picture."""
    file = io.BytesIO()
    Image.new("RGB", (64, 48), "red").save(file, "PNG")
    return file.getvalue()


class Receiver:
    """Takes webhooks at `url`; `next()` is the next message's headers and body."""

    def __init__(self) -> None:
        self.got: queue.Queue[tuple[dict[str, str], bytes]] = queue.Queue()
        got = self.got

        class Taking(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                self.send_response(204)
                self.end_headers()
                got.put(({name.lower(): value for name, value in self.headers.items()}, body))

            def log_message(self, *_words: object) -> None:
                """Say nothing."""

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Taking)
        self.url = f"http://127.0.0.1:{self.http.server_address[1]}/hook?of=fal&x=1"

    def next(self) -> tuple[dict[str, str], bytes]:
        return self.got.get(timeout=10)


@pytest.fixture(scope="module")
def receiver() -> Iterator[Receiver]:
    """Takes webhooks while a module's tests run."""
    receiver = Receiver()
    thread = threading.Thread(target=receiver.http.serve_forever, args=(0.05,))
    thread.start()
    yield receiver
    receiver.http.shutdown()
    thread.join()
    receiver.http.server_close()

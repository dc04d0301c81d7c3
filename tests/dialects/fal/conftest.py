"""What the tests of this dialect share: a caller before the live platform, a picture, and a receiver of webhooks."""

from __future__ import annotations

import asyncio
import io
import queue
import socket
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx2
import pytest
import uvicorn
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
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


@dataclass(frozen=True)
class Secure:
    """The live platform behind TLS, at `place` (host and port), with a certificate of the authority in file `ca`."""

    place: str
    ca: Path


@pytest.fixture(scope="module")
def secure(live: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Secure]:
    """For clients that know no other scheme."""
    folder = tmp_path_factory.mktemp("tls")
    issue_certificates(folder)
    files = {"ssl_certfile": str(folder / "own.pem"), "ssl_keyfile": str(folder / "own.key")}
    server = uvicorn.Server(uvicorn.Config(live.platform.app, log_level="error", ws="none", lifespan="off", **files))
    with socket.create_server(("127.0.0.1", 0)) as listener:
        serving = asyncio.run_coroutine_threadsafe(server.serve([listener]), live.loop)
        yield Secure(f"localhost:{listener.getsockname()[1]}", folder / "ca.pem")
        server.should_exit = True
        serving.result(10)


def issue_certificates(folder: Path) -> None:
    """An authority, and a certificate of its own for `localhost`."""
    authority, own = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    issued = {
        "ca": certificate("fal test authority", authority, authority)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(authority, hashes.SHA256()),
        "own": certificate("localhost", own, authority)
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .sign(authority, hashes.SHA256()),
    }
    for name, found in issued.items():
        (folder / f"{name}.pem").write_bytes(found.public_bytes(serialization.Encoding.PEM))
    plain = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    (folder / "own.key").write_bytes(own.private_bytes(*plain))


def certificate(
    name: str, key: ec.EllipticCurvePrivateKey, authority: ec.EllipticCurvePrivateKey
) -> x509.CertificateBuilder:
    now, issuer = datetime.now(UTC), "fal test authority"
    return (
        x509.CertificateBuilder(not_valid_before=now - timedelta(days=1), not_valid_after=now + timedelta(days=1))
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]))
        .issuer_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, issuer)]))
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(authority.public_key()), critical=False)
    )

"""What every room's tests need: an environment of their own and quiet, repeatable hypothesis runs."""

from __future__ import annotations

import asyncio
import gc
import hashlib
import json
import os
import re
import socket
import threading
from collections.abc import Callable, Coroutine, Iterator, Mapping
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import count
from pathlib import Path
from typing import Any, TypeVar

import pytest
import uvicorn
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID
from hypothesis import HealthCheck, settings
from sqlalchemy import Connection, make_url

from fluxhouse.assembly import assemble
from fluxhouse.cli.bench.postgres import OwnPostgres, drop_database, new_database
from fluxhouse.core import accounts, keys, ledger
from fluxhouse.core.keys import Limits
from fluxhouse.database.database import Database
from fluxhouse.generation.backend import Backend
from fluxhouse.settings import Settings

T = TypeVar("T")

settings.register_profile(
    "fluxhouse",
    deadline=None,  # A shared machine is slow at random.
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("fluxhouse")


# Files of which each takes most of a minute: begun first, so that none is left to one process while the other rests.
LONGEST = (
    "contracts/test_openapi_kept",
    "bench/test_crash",
    "bench/test_cluster",
    "browser/test_browser",
    "cli/test_serve",
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The longest files first, and every other in its place."""
    items.sort(key=lambda item: not any(name in item.path.as_posix() for name in LONGEST))


gc.disable()  # Until all modules are imported, of which nothing goes away.


def pytest_collection_finish() -> None:
    """Let the garbage collector begin, and never again walk through what the imports have built."""
    gc.freeze()
    gc.enable()


def write_authority(path: Path) -> Path:
    """Write the certificate of an authority that has certified nobody: some clients refuse to start with none."""
    key, name = ec.generate_private_key(ec.SECP256R1()), x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "nobody")])
    today = datetime.now(UTC)
    made = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(today - timedelta(days=1))
        .not_valid_after(today + timedelta(days=1))
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    path.write_bytes(made.public_bytes(Encoding.PEM))
    return path


@pytest.fixture(scope="session", autouse=True)
def no_outside_settings(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """Nothing the developer has set reaches the tests or the processes they start, and no hub is asked.

    Nor is any authority trusted that is not a test's own: to read the machine's takes every new client 35 ms. Processes
    may keep what they have compiled, for the next. Gives the environment as it was, to those who install from outside.
    """
    outside = dict(os.environ)
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("PYTHONDONTWRITEBYTECODE", raising=False)
        patch.delenv("SSL_CERT_DIR", raising=False)
        patch.setenv("SSL_CERT_FILE", str(write_authority(tmp_path_factory.mktemp("authority") / "nobody.pem")))
        for name in os.environ:
            if name.startswith("FLUXHOUSE_") and not name.startswith("FLUXHOUSE_TEST_"):
                patch.delenv(name)
        patch.setenv("HF_HUB_OFFLINE", "1")
        yield outside


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database file, migrated once, to be copied."""
    path = tmp_path_factory.mktemp("template") / "template.db"
    database = Database(f"sqlite:///{path}")
    database.migrate()
    database.close()
    return path


@pytest.fixture(scope="session")
def postgres() -> Iterator[str]:
    """The address of a PostgreSQL server that tests may make databases on: the developer's, or one of our own."""
    if given := os.environ.get("FLUXHOUSE_TEST_POSTGRES_URL"):
        yield given
        return
    own = OwnPostgres(durable=False)
    yield own.url
    own.close()


@pytest.fixture(scope="session")
def postgres_template(postgres: str) -> Iterator[str]:
    """The name of a migrated PostgreSQL database, to be copied."""
    url = new_database(postgres)
    database = Database(url)
    database.migrate()
    database.close()
    yield str(make_url(url).database)
    drop_database(url)


@pytest.fixture
def new_postgres(postgres: str, postgres_template: str) -> Iterator[Callable[[], str]]:
    """Makes migrated PostgreSQL databases; dropped after the test."""
    made: list[str] = []

    def make() -> str:
        made.append(new_database(postgres, postgres_template))
        return made[-1]

    yield make
    if "FLUXHOUSE_TEST_POSTGRES_URL" in os.environ:  # our own server ends with all it has
        for url in made:
            drop_database(url)


class Installation:
    """`fluxhouse serve` without its command line: one platform and uvicorn, on an event loop in a thread."""

    def __init__(self, folder: Path, backends: Mapping[str, Backend], **options: Any) -> None:
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self.listener.getsockname()[1]}"
        self.platform = assemble(Settings(data=folder, public_url=self.url, **options), backends)
        config = uvicorn.Config(self.platform.app, log_level="error", ws="none", lifespan="off")
        self.http = uvicorn.Server(config)
        self.loop = asyncio.new_event_loop()
        self.thread = threading.Thread(target=self._serve)
        self.names = count()

    def start(self) -> None:
        self.thread.start()
        self.do(self.platform.start())

    def stop(self) -> None:
        self.http.should_exit = True
        self.thread.join(30)

    def do(self, work: Coroutine[Any, Any, T]) -> T:
        """Do something on the platform's own loop."""
        return asyncio.run_coroutine_threadsafe(work, self.loop).result(30)

    def new_key(self, credit: int = 100, limits: Limits | None = None) -> str:
        """The key of a new account with so many credits."""
        name, pepper = f"account {next(self.names)}", self.platform.door.options.pepper

        def made(connection: Connection) -> str:
            now = datetime.now(UTC)
            account = accounts.create(connection, name, now)
            if credit:
                ledger.grant(connection, account.id, credit * 1_000_000, now, None)
            return keys.issue(connection, account.id, pepper, now, limits=limits)[1]

        return self.do(self.platform.database.write(made))

    def _serve(self) -> None:
        with asyncio.Runner(loop_factory=lambda: self.loop) as runner:
            runner.run(self.http.serve([self.listener]))
            runner.run(self.platform.stop())


@pytest.fixture(scope="session")
def install(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., Installation]]:
    """Installs a platform behind a real HTTP port, with backends by model id and settings; stopped at the end."""
    with ExitStack() as closing:

        def installed(backends: Mapping[str, Backend], **options: Any) -> Installation:
            running = Installation(tmp_path_factory.mktemp("installation"), backends, **options)
            running.start()
            closing.callback(running.stop)
            return running

        yield installed


class FakeHub:
    """A model hub on this machine: repositories of real files over HTTP, in the protocol of Hugging Face's.

    `served` are the Range headers of each file's downloads, `tokens_elsewhere` the keys that its store was sent. A file
    in `cut_at` breaks off at that byte, and the rest is an error; one in `spoil` comes with its last byte changed.
    """

    def __init__(self) -> None:
        self.served: dict[str, list[str | None]] = {}
        self.tokens_elsewhere: set[str] = set()
        self.cut_at: dict[str, int] = {}
        self.spoil: set[str] = set()
        self.elsewhere = False
        self._files: dict[str, dict[str, bytes]] = {}
        self._facts: dict[str, dict[str, object]] = {}
        self._tokens: dict[str, str] = {}
        self._web = ThreadingHTTPServer(("127.0.0.1", 0), type("Answering", (_HubAnswers,), {"hub": self}))
        self.url = f"http://127.0.0.1:{self._web.server_port}"
        threading.Thread(target=self._web.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()

    def publish(self, repository: str, folder: Path, card: object, gated: object = False, token: str = "") -> None:
        """Offer all files of a folder."""
        files = (path for path in folder.rglob("*") if path.is_file())
        self._files[repository] = {str(path.relative_to(folder)): path.read_bytes() for path in files}
        self._facts[repository] = {"cardData": card, "gated": gated}
        if token:
            self._tokens[repository] = f"Bearer {token}"

    def add(self, repository: str, name: str, content: bytes) -> None:
        self._files[repository][name] = content

    def publish_file(self, repository: str, name: str, like: str) -> None:
        self.add(repository, name, self._files[repository][like])

    def take_away(self, repository: str, name: str) -> None:
        del self._files[repository][name]

    def facts(self, repository: str) -> dict[str, object] | None:
        """What the hub's API says of a repository; None where there is none."""
        if repository not in self._files:
            return None
        siblings = []
        for name, content in self._files[repository].items():
            digest, large = digest_of(name, content)
            lfs = {"lfs": {"size": len(content), "sha256": digest, "pointerSize": 1}} if large else {}
            siblings.append({"rfilename": name, "size": len(content), "blobId": digest, **lfs})
        return {"id": repository, "sha": self.commit(repository), "siblings": siblings, **self._facts[repository]}

    def commit(self, repository: str) -> str:
        parts = [f"{name}{digest_of(name, content)}" for name, content in self._files[repository].items()]
        return hashlib.sha1("".join(parts).encode()).hexdigest()

    def content(self, repository: str, name: str, key: str | None) -> bytes | int:
        """A file, or the status of the refusal."""
        if key != self._tokens.get(repository, key):
            return 403
        return self._files.get(repository, {}).get(name, 404)

    def close(self) -> None:
        self._web.shutdown()
        self._web.server_close()


def digest_of(name: str, content: bytes) -> tuple[str, bool]:
    """How a hub names a file's content, and whether it keeps it as a large one."""
    if name.endswith(".safetensors"):
        return hashlib.sha256(content).hexdigest(), True
    return hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest(), False


class _HubAnswers(BaseHTTPRequestHandler):
    hub: FakeHub
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        if facts := re.fullmatch(r"/api/models/([^/]+/[^/?]+)(?:/revision/[^?]+)?(?:\?.*)?", self.path):
            answer = self.hub.facts(facts[1])
            if answer is None:
                return self._answer(404, {"X-Error-Code": "RepoNotFound"})
            return self._answer(200, {"Content-Type": "application/json"}, json.dumps(answer).encode())
        return self._file(with_content=True)

    def do_HEAD(self) -> None:
        self._file(with_content=False)

    def _file(self, with_content: bool) -> None:
        hub = self.hub
        _, owner, name, _, commit, file = self.path.split("/", 5)
        repository, away = f"{owner}/{name}", self.headers["Host"].startswith("localhost")
        if away and "Authorization" in self.headers:
            hub.tokens_elsewhere.add(self.headers["Authorization"])
        # The store lets in whoever the hub has sent there.
        content = hub.content(repository, file, None if away else self.headers["Authorization"])
        if away and isinstance(content, int):
            content = hub._files[repository][file]
        if isinstance(content, int):
            return self._answer(content, {"X-Error-Code": "GatedRepo" if content == 403 else "EntryNotFound"})
        etag = digest_of(file, content)[0]
        headers = {"X-Repo-Commit": commit, "ETag": f'"{etag}"', "X-Linked-Etag": f'"{etag}"'}
        if not with_content:
            headers["X-Linked-Size"] = str(len(content))
            if hub.elsewhere:
                place = f"http://localhost:{self.server.server_port}{self.path}"
                return self._answer(302, headers | {"Location": place})
            return self._answer(200, headers, content)
        return self._send_part(file, content, headers)

    def _send_part(self, file: str, content: bytes, headers: dict[str, str]) -> None:
        hub, wanted = self.hub, self.headers["Range"]
        hub.served.setdefault(file, []).append(wanted)
        begin = int(wanted.removeprefix("bytes=").rstrip("-")) if wanted else 0
        if begin and begin >= hub.cut_at.get(file, begin + 1):
            return self._answer(500, {})
        if file in hub.spoil:
            content = content[:-1] + bytes([content[-1] ^ 1])
        span = {"Content-Range": f"bytes {begin}-{len(content) - 1}/{len(content)}"} if begin else {}
        cut = hub.cut_at.get(file)
        return self._answer(206 if begin else 200, headers | span, content[begin:], cut)

    def _answer(self, status: int, headers: dict[str, str], content: bytes = b"", cut: int | None = None) -> None:
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(content))}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(content[:cut])
        if cut is not None:
            self.close_connection = True

    def log_message(self, format: str, *arguments: object) -> None:
        """Nobody reads it."""


@pytest.fixture
def fake_hub() -> Iterator[FakeHub]:
    hub = FakeHub()
    yield hub
    hub.close()


@pytest.fixture
def bare_checkpoint(tmp_path: Path) -> Callable[..., Path]:
    """Makes diffusers folders that are complete but for the numbers: every tensor is empty."""

    def make(name: str, guided: bool = True, channels: int = 64) -> Path:
        folder = tmp_path / name
        settings = {"guidance_embeds": guided, "in_channels": channels}
        networks = {"transformer": settings, "vae": {"latent_channels": 16, "block_out_channels": [1, 1, 1, 1]}}
        for part in ("transformer", "vae", "text_encoder", "text_encoder_2", "tokenizer", "tokenizer_2", "scheduler"):
            (folder / part).mkdir(parents=True)
            (folder / part / "config.json").write_text(json.dumps(networks.get(part, {})))
            stem = "model" if part.startswith("text") else "diffusion_pytorch_model"
            if part in networks or part.startswith("text"):
                (folder / part / f"{stem}.safetensors").write_bytes(b"\x02" + bytes(7) + b"{}")
        (folder / "model_index.json").write_text("{}")
        return folder

    return make


@pytest.fixture
def bare_checker(tmp_path: Path) -> Path:
    """The folder of a safety checker that is complete but for the numbers."""
    folder = tmp_path / "checker"
    folder.mkdir()
    (folder / "config.json").write_text(json.dumps({"id2label": {"0": "normal", "1": "nsfw"}}))
    (folder / "preprocessor_config.json").write_text("{}")
    (folder / "model.safetensors").write_bytes(b"\x02" + bytes(7) + b"{}")
    return folder

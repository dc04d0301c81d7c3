"""A bucket as a store: its faults typed and soon known, nothing half, copies fetched once."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

import httpx2
import pytest
import structlog

from fluxhouse.generation.errors import StorageUnavailable, UnknownFile
from fluxhouse.storage.s3 import Patience, S3Storage

HASTY = Patience(connect_seconds=1, silence_seconds=5, request_seconds=5, retries=2, retry_seconds=5)
HASTIEST = Patience(connect_seconds=0.3, silence_seconds=0.3, request_seconds=1, retries=1, retry_seconds=1)
LARGE = 12_000_000
SIGNED = {"authorization": "AWS4-HMAC-SHA256 Credential=writer/20261120/us-east-1/s3/aws4_request"}


@dataclass
class Line:
    """A connection to the service that can be cut: after so many bytes, for so many connections, or by silence."""

    target: tuple[str, int]
    bytes_until_cut: int = 1 << 60
    connections_to_drop: int = 0
    silent: bool = False
    requests: list[str] = field(default_factory=list)
    uploading: asyncio.Event = field(default_factory=asyncio.Event)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError), contextlib.closing(writer):
            if self.connections_to_drop:
                self.connections_to_drop -= 1
                return
            inward, outward = await asyncio.open_connection(*self.target)
            with contextlib.closing(outward):
                ways = [asyncio.create_task(way) for way in (self.ask(reader, outward), self.answer(inward, writer))]
                await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
                for way in ways:
                    way.cancel()
                await asyncio.gather(*ways, return_exceptions=True)

    async def ask(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while piece := await reader.read(65_536):
            first, _, _ = piece.partition(b" HTTP/1.1")
            if len(first) < len(piece):
                self.requests.append(first.decode())
            self.bytes_until_cut -= len(piece)
            if b"partNumber" in piece:
                self.uploading.set()
            if self.bytes_until_cut < 0:
                return
            if not self.silent:
                writer.write(piece)
                await writer.drain()

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while piece := await reader.read(65_536):
            writer.write(piece)
            await writer.drain()


@asynccontextmanager
async def line_to(endpoint: str) -> AsyncIterator[tuple[str, Line]]:
    parts = urlsplit(endpoint)
    line = Line((str(parts.hostname), int(parts.port or 0)))
    served: set[asyncio.Task[None]] = set()

    def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        served.add(asyncio.create_task(line.serve(reader, writer)))

    listener = await asyncio.start_server(connected, "127.0.0.1", 0)
    host, port = listener.sockets[0].getsockname()
    try:
        yield f"http://{host}:{port}", line
    finally:
        listener.close()
        for task in served:
            task.cancel()
        await asyncio.gather(*served, return_exceptions=True)


@pytest.fixture
async def line(s3_endpoint: str) -> AsyncIterator[tuple[str, Line]]:
    async with line_to(s3_endpoint) as opened:
        yield opened


@pytest.fixture
def storage(s3_endpoint: str, new_bucket: Callable[[], str], tmp_path: Path) -> S3Storage:
    return S3Storage(f"s3://{new_bucket()}?endpoint={s3_endpoint}", tmp_path, patience=HASTY)


@pytest.fixture
def refusing(s3_endpoint: str) -> Iterator[None]:
    """The service checks credentials, and knows none."""
    httpx2.post(f"{s3_endpoint}/moto-api/reset-auth", content="0").raise_for_status()
    yield
    httpx2.post(f"{s3_endpoint}/moto-api/reset-auth", content="inf").raise_for_status()


async def keys_of(storage: S3Storage, prefix: str = "") -> list[str]:
    return sorted([key async for key in storage.keys(prefix)])


def files_in(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


async def faults(storage: S3Storage) -> list[str]:
    """What each method says, all of them failing."""
    calls = {
        "put": storage.put("files/a", b"x"),
        "put in parts": storage.put("files/a", b"x" * LARGE),
        "get": storage.get("files/a"),
        "delete": storage.delete("files/a"),
        "modified": storage.modified("files/a"),
        "path": storage.path("files/a"),
        "keys": keys_of(storage),
    }
    messages = []
    for name, call in calls.items():
        with pytest.raises(StorageUnavailable) as caught:
            await call
        messages.append(caught.value.message)
        assert not [word for word in ("127.0.0.1", "http", "writer", "secret", "files/a") if word in messages[-1]], name
    return messages


async def test_a_service_that_is_gone_is_a_typed_error(
    s3_endpoint: str, new_bucket: Callable[[], str], tmp_path: Path
) -> None:
    """Where nothing listens any more every method says so within the patience, without host or key."""
    async with line_to(s3_endpoint) as (endpoint, _):
        storage = S3Storage(f"s3://{new_bucket()}?endpoint={endpoint}", tmp_path, patience=HASTY)
        await storage.put("files/a", b"x")
        await storage.path("files/a")
    began = time.monotonic()
    assert set(await faults(storage)) == {"The storage is out of reach."}
    assert time.monotonic() - began < 7 * 2


async def test_wrong_credentials_are_a_typed_error(storage: S3Storage, refusing: None) -> None:
    """Refused credentials are told from a service that is gone; the log says why, and nothing secret is repeated."""
    with structlog.testing.capture_logs() as logged:
        assert set(await faults(storage)) == {"The storage refuses what it is asked with these credentials."}
    assert {line["event"] for line in logged} == {"storage_fault"}
    assert any("InvalidAccessKeyId" in line["cause"] for line in logged)
    assert not any("the-secret" in line["cause"] or len(line["cause"]) > 500 for line in logged)


async def test_a_missing_bucket_is_no_missing_file(s3_endpoint: str, tmp_path: Path) -> None:
    """Reads, writes, deletes and lists of a bucket that does not exist say so; no answer takes it for an empty one."""
    storage = S3Storage(f"s3://never-made?endpoint={s3_endpoint}", tmp_path, patience=HASTY)
    for call in (storage.put("a", b"x"), storage.get("a"), storage.delete("a"), keys_of(storage)):
        with pytest.raises(StorageUnavailable, match="bucket does not exist"):
            await call
    for call in (storage.modified("a"), storage.path("a")):  # HEAD is answered without a reason
        with pytest.raises((StorageUnavailable, UnknownFile)):
            await call


async def test_without_credentials(
    s3_endpoint: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, line: tuple[str, Line]
) -> None:
    """Where the environment has none, the machine's role is asked for, and its absence is soon a typed error."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    endpoint, held = line
    held.silent = True
    monkeypatch.setenv("AWS_METADATA_ENDPOINT", endpoint)
    storage = S3Storage(f"s3://pictures?endpoint={s3_endpoint}", tmp_path, patience=HASTIEST)
    with pytest.raises(StorageUnavailable):
        await asyncio.wait_for(storage.put("files/a", b"x"), 10)


async def test_a_silent_service_is_given_up(storage: S3Storage, line: tuple[str, Line], tmp_path: Path) -> None:
    """A service that takes requests and never answers is out of reach after the patience, not for ever."""
    endpoint, held = line
    held.silent = True
    silent = S3Storage(f"s3://pictures?endpoint={endpoint}", tmp_path, patience=HASTIEST)
    for call in (silent.put("a", b"x"), silent.get("a"), keys_of(silent)):
        with pytest.raises(StorageUnavailable, match="out of reach"):
            await asyncio.wait_for(call, HASTIEST.retry_seconds + HASTIEST.request_seconds)


@pytest.mark.parametrize("call", ["put", "put in parts", "get", "path", "modified", "delete", "keys"])
async def test_a_short_fault_is_not_noticed(
    storage: S3Storage, line: tuple[str, Line], tmp_path: Path, call: str
) -> None:
    """Connections that drop as often as there are retries cost time and nothing else."""
    endpoint, held = line
    await storage.put("a", b"x")
    shaken = S3Storage(f"s3://{storage._bucket.name}?endpoint={endpoint}", tmp_path / "shaken", patience=HASTY)
    held.connections_to_drop = HASTY.retries
    if call.startswith("put"):
        await shaken.put("b", b"x" * (LARGE if call == "put in parts" else 1))
    elif call == "keys":
        assert await keys_of(shaken) == ["a"]
    else:
        await getattr(shaken, call)("a")
    assert held.connections_to_drop == 0
    assert await keys_of(storage) == {"put": ["a", "b"], "put in parts": ["a", "b"], "delete": []}.get(call, ["a"])


async def test_retries_are_bounded(line: tuple[str, Line], new_bucket: Callable[[], str], tmp_path: Path) -> None:
    """One dropped connection more than there are retries is an error."""
    endpoint, held = line
    held.connections_to_drop = 1000
    storage = S3Storage(f"s3://{new_bucket()}?endpoint={endpoint}", tmp_path, patience=HASTY)
    with pytest.raises(StorageUnavailable):
        await storage.put("a", b"x")
    assert held.connections_to_drop == 1000 - 1 - HASTY.retries


@pytest.mark.parametrize("length", [4_000_000, LARGE])
async def test_a_put_that_breaks_off_leaves_what_was_there(
    storage: S3Storage, line: tuple[str, Line], s3_endpoint: str, tmp_path: Path, length: int
) -> None:
    """Where the connection ends in the midst of a put, in one part or several, no object and no new bytes appear."""
    endpoint, held = line
    broken = S3Storage(f"s3://{storage._bucket.name}?endpoint={endpoint}", tmp_path, patience=HASTY)
    await storage.put("files/old", b"old")
    for key in ("files/old", "files/new"):
        held.bytes_until_cut = length // 2
        with pytest.raises(StorageUnavailable):
            await broken.put(key, b"x" * length)
    assert await keys_of(storage) == ["files/old"]
    assert await storage.get("files/old") == b"old"


async def test_a_cancelled_put_leaves_no_object(storage: S3Storage, line: tuple[str, Line], tmp_path: Path) -> None:
    """A put that is cancelled while its parts travel never becomes an object."""
    endpoint, held = line
    slow = S3Storage(f"s3://{storage._bucket.name}?endpoint={endpoint}", tmp_path)
    put = asyncio.create_task(slow.put("files/a", b"x" * LARGE * 2))
    await held.uploading.wait()
    put.cancel()
    with pytest.raises(asyncio.CancelledError):
        await put
    await asyncio.sleep(0.5)
    assert not [request for request in held.requests if request.startswith("POST") and "uploadId" in request]
    assert await keys_of(storage) == []


async def test_a_copy_is_fetched_once(line: tuple[str, Line], new_bucket: Callable[[], str], tmp_path: Path) -> None:
    """Paths asked for at the same time and later are one download, also for another process with the same folder."""
    endpoint, held = line
    url = f"s3://{new_bucket()}/inputs?endpoint={endpoint}"
    storage = S3Storage(url, tmp_path)
    await storage.put("files/a.png", b"picture")
    paths = await asyncio.gather(*(storage.path("files/a.png") for _ in range(10)))
    paths.append(await S3Storage(url, tmp_path).path("files/a.png"))
    assert len(set(paths)) == 1
    assert sum(request.startswith("GET") for request in held.requests) == 1


async def test_a_copy_carries_the_time_of_the_store(storage: S3Storage) -> None:
    """The time of modification of a copy is when the bytes were put, however late it is fetched."""
    began = int(time.time())
    await storage.put("files/a", b"x")
    ended = time.time()
    await asyncio.sleep(1.1)
    assert began <= (await storage.path("files/a")).stat().st_mtime <= ended


async def test_a_path_handed_out_stays_as_it_was(storage: S3Storage) -> None:
    """A later put does not change the bytes under a path that somebody may be reading."""
    await storage.put("files/a", b"one")
    first = await storage.path("files/a")
    await storage.put("files/a", b"two")
    second = await storage.path("files/a")
    assert (first.read_bytes(), second.read_bytes()) == (b"one", b"two")


async def test_deleting_takes_the_copy_too(storage: S3Storage) -> None:
    """What was deleted here does not stay on this machine."""
    await storage.put("files/a", b"x")
    path = await storage.path("files/a")
    await storage.delete("files/a")
    assert not path.exists()


async def test_a_download_that_breaks_off_leaves_no_copy(storage: S3Storage, tmp_path: Path) -> None:
    """A cancelled download leaves no file, and the next one succeeds."""
    await storage.put("files/a", b"x" * LARGE)
    download = asyncio.create_task(storage.path("files/a"))
    while not files_in(tmp_path):  # noqa: ASYNC110  # what is waited for is on the disk
        await asyncio.sleep(0)
    download.cancel()
    with pytest.raises(asyncio.CancelledError):
        await download
    assert files_in(tmp_path) == []
    assert (await storage.path("files/a")).stat().st_size == LARGE


async def test_foreign_objects_are_no_files(storage: S3Storage, s3_endpoint: str) -> None:
    """Names that no store of ours writes, such as hidden files and spaces, are not listed."""
    await storage.put("files/a", b"x")
    for name in (".hidden", "files/.DS_Store", "files/a%20b", "files/ä"):
        url = f"{s3_endpoint}/{storage._bucket.name}/{name}"
        httpx2.put(url, content=b"x", headers=SIGNED).raise_for_status()
    assert await keys_of(storage) == ["files/a"]
    assert await keys_of(storage, "files/") == ["files/a"]


async def test_parts_of_a_bucket_are_apart(s3_endpoint: str, new_bucket: Callable[[], str], tmp_path: Path) -> None:
    """Two prefixes of one bucket with one folder for copies see nothing of each other."""
    name = new_bucket()
    one, ten = (S3Storage(f"s3://{name}/{part}?endpoint={s3_endpoint}", tmp_path) for part in ("h1", "h10"))
    await one.put("files/a", b"one")
    await ten.put("files/a", b"ten")
    assert [(await part.path("files/a")).read_bytes() for part in (one, ten)] == [b"one", b"ten"]
    assert await keys_of(one) == await keys_of(ten) == ["files/a"]


async def test_more_keys_than_one_answer_holds(storage: S3Storage, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder of more files than the service lists at once is listed whole."""
    monkeypatch.setenv("MOTO_S3_DEFAULT_MAX_KEYS", "7")
    for number in range(25):
        await storage.put(f"files/{number}", b"")
    assert await keys_of(storage, "files/") == sorted(f"files/{number}" for number in range(25))


async def test_the_environment_fills_what_the_url_leaves_out(
    s3_endpoint: str, new_bucket: Callable[[], str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """AWS_ENDPOINT_URL serves where the URL names no endpoint, and gives way to one that it names."""
    name = new_bucket()
    monkeypatch.setenv("AWS_ENDPOINT_URL", s3_endpoint)
    await S3Storage(f"s3://{name}", tmp_path, patience=HASTY).put("files/a", b"x")
    for variable in ("AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3"):
        monkeypatch.setenv(variable, "http://127.0.0.1:1")
    storage = S3Storage(f"s3://{name}?endpoint={s3_endpoint}", tmp_path, patience=HASTY)
    assert await storage.get("files/a") == b"x"


def test_a_broken_environment_is_told_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A variable that obstore cannot read is refused when the store is opened, without its value."""
    monkeypatch.setenv("AWS_CHECKSUM_ALGORITHM", "hunter2")
    with pytest.raises(ValueError, match="AWS_") as caught:
        S3Storage("s3://pictures", tmp_path)
    assert "hunter2" not in str(caught.value)

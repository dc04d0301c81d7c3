"""The synchronous twin: written from its source, and at work before a real installation."""

from __future__ import annotations

import inspect
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest

from fluxhouse import AsyncClient, Client
from fluxhouse.client import Conflict, Ended, ImageReady, JobFailed, NotFound, Preview, StatusChanged, Step, Timeout

ROOT = Path(__file__).parents[2]


def unasync(root, *arguments):
    command = [sys.executable, root / "scripts" / "unasync.py", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)


def test_the_twin_is_what_its_source_makes_of_it():
    """Who changes the one has the other written by `make fix`."""
    ended = unasync(ROOT, "--check")
    assert (ended.returncode, ended.stdout) == (0, "")


def test_a_stale_twin_is_named_and_mended(tmp_path):
    """Either colour that was changed alone is found; to write it again is enough."""
    room = tmp_path / "src" / "fluxhouse" / "client"
    room.mkdir(parents=True)
    (tmp_path / "scripts").mkdir()
    script = (ROOT / "scripts" / "unasync.py").read_text("utf-8")
    (tmp_path / "scripts" / "unasync.py").write_text(script, "utf-8")
    (room / "async_greeting.py").write_text('"""Says hello."""\n\n\nasync def hello() -> str:\n    return "hello"\n')
    assert (unasync(tmp_path, "--check").returncode, unasync(tmp_path).returncode) == (1, 0)
    assert "\ndef hello() -> str:" in (room / "sync_greeting.py").read_text("utf-8")
    assert unasync(tmp_path, "--check").returncode == 0
    (room / "sync_greeting.py").write_text('"""Says nothing."""\n')
    assert unasync(tmp_path, "--check").stdout == "sync_greeting.py is stale\n"


def test_both_colours_have_the_same_calls():
    """Same names, same parameters, same defaults."""

    def calls(kind):
        members = inspect.getmembers(kind, inspect.isfunction)
        public = {name.replace("aclose", "close"): call for name, call in members if not name.startswith("_")}
        return {
            name: [(given.name, given.kind, given.default) for given in inspect.signature(call).parameters.values()]
            for name, call in public.items()
        }

    assert calls(Client) == calls(AsyncClient)
    assert {"run", "submit", "wait", "cancel", "job", "jobs", "upload", "download", "models"} < calls(Client).keys()


class Line(httpx2.BaseTransport):
    """The way to the server, which loses the first answer and cuts the first stream."""

    def __init__(self) -> None:
        self.inner = httpx2.HTTPTransport()
        self.sent: list[httpx2.Request] = []

    def handle_request(self, request: httpx2.Request) -> httpx2.Response:
        again = any(earlier.url.path == request.url.path for earlier in self.sent)
        self.sent.append(request)
        response = self.inner.handle_request(request)
        if not again and request.url.path.endswith("/run"):
            response.read()
            response.close()
            raise httpx2.ReadError("broken")
        if not again and request.url.path.endswith("/events"):
            return httpx2.Response(response.status_code, headers=response.headers, stream=Cut(response))
        return response

    def close(self) -> None:
        self.inner.close()


class Cut(httpx2.SyncByteStream):
    """A stream that breaks at its first step."""

    def __init__(self, response: httpx2.Response) -> None:
        self.response = response

    def __iter__(self) -> Iterator[bytes]:
        for chunk in self.response.stream:
            if b"event: step" in chunk:
                raise httpx2.ReadError("cut")
            yield chunk

    def close(self) -> None:
        self.response.close()


def test_run_survives_a_lost_answer_and_a_cut_stream(installation, key, kit, tmp_path):
    """One job, one charge, and its picture in a file."""
    line = Line()
    with Client(key, installation.url, retry=kit.eager, transport=line) as client:
        job = client.run(kit.slow, "a fox in the snow", seed=7)
        assert job.images[0].save(tmp_path / "fox.png").read_bytes() == job.images[0].read()
        assert [found.id for found in client.jobs()] == [job.id]
        assert client.credits().balance == 100 - job.credit_cost
    ways = [request.url.path.rpartition("/")[2] for request in line.sent]
    assert ways[:4] == ["run", "run", "events", "events"]


def test_wait_tells_every_kind_of_event(sync_client, kit):
    """The same as the other colour."""
    events = list(sync_client.wait(sync_client.submit(kit.slow, "a fox")))
    assert {type(event) for event in events} == {StatusChanged, Step, Preview, ImageReady, Ended}
    assert events[-1].job.status == "completed"


def test_waiting_ends_in_time(sync_client, kit):
    """Within the seconds given, and the job can be cancelled then."""
    with pytest.raises(Timeout) as raised:
        sync_client.run(kit.slow, "a fox", num_outputs=4, timeout=0.3)
    sync_client.cancel(raised.value.job_id)


def test_a_server_that_says_nothing_does_not_hold_the_waiting(deaf):
    """A blocking read has an end too."""
    started = time.monotonic()
    with Client("fh_key", deaf) as client, pytest.raises(Timeout):
        list(client.wait("job_1", 0.3))
    assert time.monotonic() - started < 3


def test_the_other_calls_answer_alike(sync_client, kit, photo):
    """Catalog, prices, pictures, account and errors."""
    assert sync_client.model(kit.quick).id in {model.id for model in sync_client.models()}
    assert sync_client.quote(kit.quick, "a fox", num_outputs=2).credit_cost == 2
    file = sync_client.upload(photo)
    job = sync_client.run(kit.quick, "at night", image_url=file, prompt_strength=0.5)
    assert sync_client.download(job.images[0].url) == sync_client.download(job.images[0])
    assert sync_client.usage(days=2)[0].images == 1
    assert sync_client.job(job.id) == job
    with pytest.raises(JobFailed):
        sync_client.run(kit.failing, "a fox")
    with pytest.raises(NotFound):
        sync_client.job("job_none")
    with pytest.raises(Conflict):
        sync_client.cancel(job)


def test_threads_share_a_client(sync_client, kit):
    """Calls at the same time do not disturb each other."""
    done: list[str] = []

    def work(prompt: str) -> None:
        done.append(sync_client.run(kit.quick, prompt).prompt)

    threads = [threading.Thread(target=work, args=(f"fox {number}",)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert sorted(done) == [f"fox {number}" for number in range(6)]

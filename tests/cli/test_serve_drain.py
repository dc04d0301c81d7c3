"""The end of `fluxhouse serve` and `worker` on SIGTERM: what fits is finished, the rest handed back, all are told."""

import os
import signal
import subprocess
import sys
import threading
import time

import httpx2
import pytest

from fluxhouse.cli.bench.subject import free_port

GRACE = """
import functools
from fluxhouse.worker import worker
worker.WorkerOptions = functools.partial(worker.WorkerOptions, grace_seconds={grace})
"""


@pytest.fixture
def slow(tmp_path):
    """Environment of a process whose steps take 0.4 seconds and whose running jobs get `grace` seconds."""

    def make(grace):
        folder = tmp_path / "slow"
        folder.mkdir(exist_ok=True)
        (folder / "sitecustomize.py").write_text(GRACE.format(grace=grace))
        path = os.pathsep.join([str(folder), os.environ.get("PYTHONPATH", "")]).rstrip(os.pathsep)
        return {"PYTHONPATH": path, "FLUXHOUSE_MODELS": "*=testcard:0.4"}

    return make


@pytest.fixture
def house(tmp_path):
    return tmp_path / "house"


class Caller(threading.Thread):
    """Asks for a picture and waits for it; `answer` is what came."""

    def __init__(self, url, house, steps):
        super().__init__()
        self._url = url + "/api/v1/models/flux-dev/run"
        self._headers = {"Authorization": f"Bearer {(house / 'demo-key').read_text().strip()}", "Prefer": "wait=60"}
        self._body = {"prompt": "a fox", "width": 256, "height": 256, "num_inference_steps": steps}
        self.answer = None

    def run(self):
        self.answer = httpx2.post(self._url, json=self._body, headers=self._headers, timeout=60)


def until_running(one):
    deadline = time.monotonic() + 20
    while 'fluxhouse_jobs_open{state="running"} 1.0' not in httpx2.get(one.url + "/metrics").text:
        assert time.monotonic() < deadline
        time.sleep(0.05)


def until_draining(url):
    """Return the answer once `/readyz` says no."""
    deadline = time.monotonic() + 5
    while (answer := httpx2.get(url + "/readyz")).status_code == 200:
        assert time.monotonic() < deadline
        time.sleep(0.02)
    return answer


def test_what_fits_into_the_grace_is_finished(subject, house, slow):
    """After SIGTERM `/readyz` says 503 while the API still answers; the waiting caller gets its picture; exit 0."""
    one = subject(**slow(10))
    one.start()
    one.wait_until("/readyz")
    caller = Caller(one.url, house, steps=5)
    caller.start()
    until_running(one)
    os.kill(one.pid, signal.SIGTERM)
    answer = until_draining(one.url)
    assert (answer.status_code, answer.json()["error"]["message"]) == (503, "this process is about to end")
    assert httpx2.get(one.url + "/healthz").status_code == 200
    later = Caller(one.url, house, steps=5)
    later.run()
    caller.join(30)
    assert (caller.answer.status_code, caller.answer.json()["status"]) == (200, "completed")
    assert (later.answer.status_code, later.answer.json()["status"]) == (202, "pending")
    assert one._process.wait(30) == 0


def test_what_does_not_fit_is_handed_back(subject, house, slow):
    """A job longer than the grace waits again, its caller is told that it is accepted, the next process makes it."""
    one = subject(**slow(0.5))
    one.start()
    one.wait_until("/readyz")
    caller = Caller(one.url, house, steps=50)
    caller.start()
    until_running(one)
    started = time.monotonic()
    assert one.stop() == 0
    assert time.monotonic() - started < 10
    caller.join(10)
    assert (caller.answer.status_code, caller.answer.json()["status"]) == (202, "pending")
    after = subject()
    after.start()
    after.wait_until("/readyz")
    url = f"{after.url}/api/v1/jobs/{caller.answer.json()['jobId']}"
    deadline = time.monotonic() + 20
    while httpx2.get(url, headers=caller._headers).json()["status"] != "completed":
        assert time.monotonic() < deadline
        time.sleep(0.05)
    assert after.stop() == 0
    assert after.command("reconcile").returncode == 0


def test_an_event_stream_ends_and_can_be_taken_up_again(subject, house, slow):
    """Who follows a job is let go when the process ends, and is told the rest by the next one."""
    one = subject(**slow(0.5))
    one.start()
    one.wait_until("/readyz")
    caller = Caller(one.url, house, steps=50)
    caller._headers["Prefer"] = "respond-async"
    caller.run()
    path = f"/api/v1/jobs/{caller.answer.json()['jobId']}/events"
    with httpx2.stream("GET", one.url + path, headers=caller._headers, timeout=30) as stream:
        until_running(one)
        os.kill(one.pid, signal.SIGTERM)
        told = "".join(stream.iter_text())
    assert one._process.wait(30) == 0
    assert told.rstrip().endswith("}")
    last = [line for line in told.splitlines() if line.startswith("id: ")][-1].removeprefix("id: ")
    after = subject()
    after.start()
    after.wait_until("/readyz")
    resumed = httpx2.get(after.url + path, headers=caller._headers | {"Last-Event-ID": last}, timeout=30).text
    assert '"status":"completed"' in resumed.splitlines()[-2]
    assert after.stop() == 0


def test_a_worker_drains_as_a_server_does(subject, house, slow):
    """With --port a worker answers its probes, says 503 while it ends, hands its job back and exits with 0."""
    taking = subject("--no-worker")
    taking.start()
    taking.wait_until("/readyz")
    caller = Caller(taking.url, house, steps=50)
    caller._headers["Prefer"] = "respond-async"
    caller.run()
    assert taking.stop() == 0
    port = free_port()
    command = [sys.executable, "-m", "fluxhouse", "worker", "--data", str(house), "--port", str(port)]
    worker = subprocess.Popen(command, env=taking._environment | slow(1.5), stderr=subprocess.DEVNULL)
    try:
        taking.url = f"http://127.0.0.1:{port}"
        taking._process = worker
        taking.wait_until("/readyz")
        until_running(taking)
        text = httpx2.get(taking.url + "/metrics").text
        assert 'fluxhouse_claims_total{model="flux-dev"} 1.0' in text
        worker.terminate()
        assert until_draining(taking.url).status_code == 503
        assert worker.wait(30) == 0
    finally:
        worker.kill()
        worker.wait()
    assert taking.command("reconcile").returncode == 0

"""Workers of a fleet come and go: a job that one cannot finish is made by another, and whoever waits gets it."""

import os
import re
import subprocess
import sys
import time
from contextlib import ExitStack

import httpx2
import pytest

from fluxhouse.cli.bench.subject import Subject, free_port

SECRET = "a secret of the whole fleet"
GRACE = """
import functools
from fluxhouse.worker import worker
worker.WorkerOptions = functools.partial(worker.WorkerOptions, grace_seconds=0.5)
"""


class Working:
    """A `fluxhouse worker` with its own data folder and probes."""

    def __init__(self, folder, environment, step):
        (folder / "sitecustomize.py").write_text(GRACE)
        self._url = f"http://127.0.0.1:{(port := free_port())}"
        path = os.pathsep.join([str(folder), os.environ.get("PYTHONPATH", "")]).rstrip(os.pathsep)
        self.process = subprocess.Popen(
            [sys.executable, "-m", "fluxhouse", "worker", "--data", str(folder / "data"), "--port", str(port)],
            env=os.environ | environment | {"PYTHONPATH": path, "FLUXHOUSE_MODELS": f"*=testcard:{step}"},
            stderr=subprocess.DEVNULL,
        )

    def number(self, name):
        """The sum of one of its counters over all labels; 0 while it does not answer."""
        try:
            text = httpx2.get(self._url + "/metrics", timeout=5).text
        except httpx2.TransportError:
            return 0
        return sum(float(value) for value in re.findall(rf"^{name}(?:{{.*}})? (\S+)$", text, re.MULTILINE))

    def until(self, name, seconds=30):
        deadline = time.monotonic() + seconds
        while not self.number(name):
            assert time.monotonic() < deadline, name
            time.sleep(0.05)


@pytest.fixture
def fleet(tmp_path, new_postgres):
    """An API process, and a way to start workers beside it."""
    environment = {
        "FLUXHOUSE_DATABASE_URL": new_postgres(),
        "FLUXHOUSE_STORAGE_URL": f"file://{tmp_path / 'shared'}",
        "FLUXHOUSE_SECRET": SECRET,
        "FLUXHOUSE_MODELS": "*=testcard",
        "FLUXHOUSE_LOG_FORMAT": "json",
    }
    (tmp_path / "api").mkdir()
    api = Subject(tmp_path / "api", ("--no-worker",), environment)
    with ExitStack() as ends:

        def work(name, step):
            (tmp_path / name).mkdir()
            worker = Working(tmp_path / name, environment, step)
            ends.callback(worker.process.wait)
            ends.callback(worker.process.kill)
            return worker

        api.start()
        ends.callback(api.kill)
        api.wait_until("/readyz")
        yield api, work


def test_a_stopped_worker_hands_its_job_to_another(fleet):
    """SIGTERM ends it with 0; the job is made at once elsewhere, charged once, and its caller has waited for it."""
    api, work = fleet
    key = api.open_account("me", 10, rate=60)
    one = work("one", step=0.5)
    one.until("fluxhouse_ready")
    with httpx2.Client(base_url=api.url, headers={"Authorization": f"Bearer {key}"}, timeout=60) as client:
        body = {"prompt": "a fox", "width": 256, "height": 256, "num_inference_steps": 50}
        job = client.post("/api/v1/models/flux-dev/run", json=body).json()["jobId"]
        one.until("fluxhouse_claims_total")
        two = work("two", step=0.0)
        two.until("fluxhouse_ready")
        one.process.terminate()
        assert one.process.wait(30) == 0
        two.until("fluxhouse_jobs_ended_total", seconds=10)
        assert client.get(f"/api/v1/jobs/{job}").json()["status"] == "completed"
        assert client.get("/api/v1/credits").json() | {"x": 0} == {"balance": 9, "held": 0, "available": 9, "x": 0}
    two.process.terminate()
    assert two.process.wait(30) == 0
    assert api.command("reconcile").returncode == 0

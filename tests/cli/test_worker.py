"""`fluxhouse worker` makes what a server took in."""

import subprocess
import sys
import time

import httpx2

from fluxhouse.core import jobs
from fluxhouse.database.database import Database


def test_a_worker_works_what_a_server_took_in(subject, tmp_path):
    """Jobs taken in by a server without worker are made by a worker after it, which a signal ends."""
    taking = subject("--no-worker")
    taking.start()
    taking.wait_until("/readyz")
    headers = {"Authorization": f"Bearer {(tmp_path / 'house' / 'demo-key').read_text().strip()}"}
    small = {"prompt": "a fox", "width": 256, "height": 256}
    for _ in range(3):
        submitted = httpx2.post(taking.url + "/api/v1/models/flux-dev/run", json=small, headers=headers)
        assert submitted.json()["status"] == "pending"
    taking.stop()
    command = [sys.executable, "-m", "fluxhouse", "worker", "--data", str(tmp_path / "house")]
    worker = subprocess.Popen(command, env=taking._environment, stderr=subprocess.DEVNULL)
    database = Database(f"sqlite:///{tmp_path / 'house' / 'fluxhouse.db'}")
    try:
        deadline = time.monotonic() + 20
        while open_jobs(database) and time.monotonic() < deadline:
            time.sleep(0.05)
        assert open_jobs(database) == []
        worker.terminate()
        assert worker.wait(20) == 0
    finally:
        worker.kill()
        worker.wait()
        database.close()
    assert taking.command("reconcile").returncode == 0


def open_jobs(database):
    with database.snapshot() as connection:
        return jobs.open_jobs(connection)

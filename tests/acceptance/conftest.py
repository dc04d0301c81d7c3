"""A real `fluxhouse serve` with the real engine and the built-in model."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest

from fluxhouse.cli.bench.processor import children
from fluxhouse.cli.bench.subject import Subject, _command
from fluxhouse.core import jobs
from fluxhouse.core.jobs import Job
from fluxhouse.database.database import Database


class House:
    """A data folder, the server on it, and the demo account's client."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.subject = Subject(folder, environment={"FLUXHOUSE_LOG_FORMAT": "json"})

    def start(self) -> None:
        self.subject.start()
        self.subject.wait_until("/readyz")

    def end(self) -> None:
        """kill -9 whatever still runs."""
        process = self.subject._process
        if process is not None and process.poll() is None:
            self.subject.kill()

    @property
    def printed(self) -> str:
        return (self.folder / "serve.log").read_text()

    @property
    def engines(self) -> list[int]:
        """The engine processes of the server."""
        return [pid for pid in children(self.subject.pid) if "fluxhouse.engine.process" in _command(pid)]

    def call(self, method: str, path: str, **request: Any) -> Any:
        headers = {"Authorization": f"Bearer {(self.folder / 'demo-key').read_text().strip()}"}
        answer = httpx2.request(method, self.subject.url + path, headers=headers, timeout=30, **request)
        assert answer.status_code < 300, answer.text
        return answer.json()

    def submit(self, **body: Any) -> str:
        asked = {"prompt": "a red boat", "width": 256, "height": 256, "seed": 3} | body
        return str(self.call("POST", "/api/v1/models/flux-dev/run", json=asked)["jobId"])

    def job_when(self, job_id: str, reached: Callable[[dict[str, Any]], bool], seconds: float = 60) -> dict[str, Any]:
        """The job once it is as wished."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            job = self.call("GET", f"/api/v1/jobs/{job_id}")
            if reached(job):
                return dict(job)
            time.sleep(0.03)
        raise TimeoutError(job)

    def row(self, job_id: str) -> Job:
        """The job as its row stands, whoever serves."""
        database = Database(f"sqlite:///{self.folder / 'fluxhouse.db'}")
        try:
            with database.snapshot() as connection:
                return jobs.get(connection, job_id.removeprefix("job_"))
        finally:
            database.close()

    def picture(self, job: dict[str, Any]) -> bytes:
        (url,) = job["output"]["images"]
        return httpx2.get(url, timeout=30).raise_for_status().content


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """One data folder for the module's tests, its server started."""
    one = House(tmp_path_factory.mktemp("house"))
    one.start()
    yield one
    one.end()

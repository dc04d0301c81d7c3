"""Federation: one installation is the provider of another in four languages, and either may die in the middle.

Whatever happens, no job is lost, and the other side is sent for each image once.
"""

from __future__ import annotations

import random
import sqlite3
import time

import httpx2
import pytest

from fluxhouse.cli.bench.subject import Subject
from fluxhouse.core.reconcile import reconcile
from fluxhouse.database.database import Database

# A model of the front by the language in which it is asked of the back.
LANGUAGES = {"flux-dev": "replicate", "flux-schnell": "fal", "flux-1.1-pro": "bfl", "flux-krea-dev": "openai"}
IMAGES = 2  # of each job, and so many jobs at the other side
STEP_SECONDS = 0.15


class Pair:
    """A back that makes pictures and a front that has it make them, each a server of its own."""

    def __init__(self, folder) -> None:
        for name in ("back", "front"):
            (folder / name).mkdir()
        self.back = Subject(folder / "back", environment={"FLUXHOUSE_MODELS": f"*=testcard:{STEP_SECONDS}"})
        self.back.start()
        self.back.wait_until("/readyz")
        key, url = (folder / "back" / "demo-key").read_text().strip(), self.back.url
        environment = {
            "FLUXHOUSE_MODELS": ",".join(f"{model}={language}" for model, language in LANGUAGES.items()),
            "FLUXHOUSE_IDEMPOTENT_PROVIDERS": ",".join(LANGUAGES.values()),
            "FLUXHOUSE_REPLICATE_TOKEN": key,
            "FLUXHOUSE_REPLICATE_URL": url,
            "FLUXHOUSE_FAL_KEY": key,
            "FLUXHOUSE_FAL_URL": f"{url}/fal/queue",
            "FLUXHOUSE_BFL_KEY": key,
            "FLUXHOUSE_BFL_URL": f"{url}/bfl",
            "FLUXHOUSE_OPENAI_KEY": key,
            "FLUXHOUSE_OPENAI_URL": f"{url}/v1",
        }
        self.front = Subject(folder / "front", environment=environment)
        self.front.start()
        self.front.wait_until("/readyz")
        self.headers = {"authorization": f"Bearer {(folder / 'front' / 'demo-key').read_text().strip()}"}
        self._folder = folder

    def submit(self, model: str, **fields: object) -> str:
        """The id of a new job at the front."""
        body = {"prompt": f"a fox by {LANGUAGES[model]}", "num_outputs": IMAGES, "seed": 7, **fields}
        answer = httpx2.post(f"{self.front.url}/api/v1/models/{model}/run", json=body, headers=self.headers)
        assert answer.status_code == 202, answer.text
        return answer.json()["jobId"]

    def job(self, job_id: str) -> dict:
        return httpx2.get(f"{self.front.url}/api/v1/jobs/{job_id}", headers=self.headers, timeout=30).json()

    def ended(self, job_id: str, seconds: float = 60) -> dict:
        deadline = time.monotonic() + seconds
        while (job := self.job(job_id))["status"] in ("pending", "processing"):
            assert time.monotonic() < deadline, f"{job}\n{self.front.log_end()}"
            time.sleep(0.1)
        return job

    def rows(self, side: str, query: str) -> list[tuple]:
        """What a side's database says; the file is only read."""
        with sqlite3.connect(f"file:{self._folder / side / 'fluxhouse.db'}?mode=ro", uri=True) as connection:
            return connection.execute(query).fetchall()

    def until_asked(self, word: str, images: int, seconds: float = 30) -> None:
        """Return once the back has so many jobs whose prompt has the word."""
        deadline = time.monotonic() + seconds
        while len(self.rows("back", f"SELECT id FROM jobs WHERE request LIKE '%{word}%'")) < images:
            assert time.monotonic() < deadline, self.front.log_end()
            time.sleep(0.02)

    def strike(self, side: str) -> None:
        """Kill -9 one side and start it again."""
        subject = getattr(self, side)
        subject.strike("server")
        subject.wait_until("/readyz")

    def check(self, word: str, jobs: list[dict]) -> None:
        """Every job came to its images, each made by one job at the back, and all credits add up."""
        for job in jobs:
            assert job["status"] == "completed", job
            assert len(job["output"]["images"]) == IMAGES
        asked = f"FROM jobs WHERE request LIKE '%{word}%'"
        wishes = f"SELECT json_extract(request, '$.prompt') || json_extract(request, '$.seed') {asked}"
        assert len(set(self.rows("back", wishes))) == len(self.rows("back", wishes)) == IMAGES * len(jobs)
        assert self.rows("back", f"SELECT DISTINCT state {asked}") == [("succeeded",)]
        kept = f"SELECT DISTINCT state FROM errands WHERE job_id IN (SELECT id {asked})"
        assert self.rows("front", kept) == [("made",)]
        for side in ("back", "front"):
            database = Database(f"sqlite:///{self._folder / side / 'fluxhouse.db'}")
            with database.snapshot() as connection:
                drifts = reconcile(connection)
            database.close()
            assert drifts == []


@pytest.fixture(scope="module")
def pair(tmp_path_factory):
    made = Pair(tmp_path_factory.mktemp("federation"))
    yield made
    made.front.close()
    made.back.close()


def test_a_cancelled_job_is_called_off_at_the_other_side(pair):
    """Where the language can say so, nothing more is made there."""
    job_id = pair.submit("flux-dev", prompt="a hare", num_inference_steps=50)
    pair.until_asked("a hare", IMAGES)
    httpx2.delete(f"{pair.front.url}/api/v1/jobs/{job_id}", headers=pair.headers)
    assert pair.ended(job_id)["status"] == "cancelled"
    hares, deadline = "SELECT DISTINCT state FROM jobs WHERE request LIKE '%a hare%'", time.monotonic() + 20
    while (states := pair.rows("back", hares)) != [("cancelled",)]:
        assert time.monotonic() < deadline, states
        time.sleep(0.1)


def test_either_side_may_die_and_every_image_is_made_once(pair):
    """In all four languages at once: the front is killed while the back makes its images, then the back."""
    ids = [pair.submit(model) for model in LANGUAGES]
    pair.until_asked("a fox", IMAGES * len(LANGUAGES) - 3)
    pair.strike("front")
    pair.strike("back")
    jobs = [pair.ended(job_id) for job_id in ids]
    assert {job["servedBy"] for job in jobs} == set(LANGUAGES.values())
    pair.check("a fox", jobs)


@pytest.mark.long
def test_sides_that_die_again_and_again_lose_nothing(pair):
    """At random moments, between a submit sent and its receipt kept as well; at most four times in a job's life, which
    has five attempts.
    """
    moments, jobs = random.Random(1), []
    for _ in range(5):
        ids = [pair.submit(model, prompt=f"a bear {moments.random()}") for model in LANGUAGES for _ in range(2)]
        for side in moments.sample(["front", "back", "front", "back"], 4):
            time.sleep(moments.uniform(0.0, 0.8))
            pair.strike(side)
        jobs += [pair.ended(job_id, 180) for job_id in ids]
    pair.check("a bear", jobs)

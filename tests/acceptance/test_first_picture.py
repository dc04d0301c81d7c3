"""A newcomer's way from `serve` to a picture, and what killing its processes does to a job: nothing."""

import base64
import io
import os
import re
import signal
import subprocess
import time
from pathlib import Path

from openai import OpenAI
from PIL import Image, ImageChops, ImageStat

from fluxhouse.core.jobs import JobState

CURL = re.compile(r"^curl .*?^$", re.MULTILINE | re.DOTALL)

LONG = {"num_inference_steps": 50, "width": 1440, "height": 1440}  # so that a poll finds it in its middle


def test_the_printed_curl_ends_in_a_picture(house, tmp_path):
    """The command that serve prints, pasted into a shell, writes the picture it asked for."""
    (command,) = CURL.findall(house.printed)
    subprocess.run(["sh", "-c", command], cwd=tmp_path, check=True, timeout=60)
    with Image.open(tmp_path / "picture.png") as image:
        image.load()
        assert image.format == "PNG"
        assert image.size == (1024, 1024)
        assert len(image.resize((8, 8)).getcolors(64)) > 8
    assert house.call("GET", "/api/v1/credits")["available"] == 999


def test_an_openai_program_watches_its_picture_come_into_being(house):
    """The previews show the picture, ever more of it; the picture is that of the native API, byte for byte."""

    def distance(one, other):
        size = (32, 32)
        difference = ImageChops.difference(one.convert("RGB").resize(size), other.convert("RGB").resize(size))
        return sum(ImageStat.Stat(difference).mean)

    def opened(event):
        return Image.open(io.BytesIO(base64.b64decode(event.b64_json)))

    key = (house.folder / "demo-key").read_text().strip()
    sunset = "a red sunset over a blue sea"
    asked = {"model": "flux-dev", "prompt": sunset, "size": "512x512", "stream": True, "partial_images": 2}
    with OpenAI(api_key=key, base_url=f"{house.subject.url}/v1", max_retries=0) as client:
        *partials, done = client.images.generate(extra_body={"seed": 3, "num_inference_steps": 20}, **asked)
    assert [event.partial_image_index for event in partials] == [0, 1]
    early, late = (distance(opened(event), opened(done)) for event in partials)
    assert late < early
    same = house.submit(prompt=sunset, width=512, height=512, num_inference_steps=20)
    native = house.job_when(same, lambda job: job["status"] == "completed")
    assert base64.b64decode(done.b64_json) == house.picture(native)


def test_the_engines_death_costs_nothing(house):
    """kill -9 of the engine in the middle of a job: the same picture is made all the same, and charged once."""
    before = house.call("GET", "/api/v1/credits")["available"]
    undisturbed = house.job_when(house.submit(**LONG), lambda job: job["status"] == "completed")
    job_id = house.submit(**LONG)
    house.job_when(job_id, lambda job: job.get("progress"))
    (engine,) = house.engines
    os.kill(engine, signal.SIGKILL)
    job = house.job_when(job_id, lambda job: job["status"] not in ("pending", "processing"))
    assert job["status"] == "completed"
    assert house.engines != [engine]
    assert house.picture(job) == house.picture(undisturbed)
    assert house.call("GET", "/api/v1/credits")["balance"] == before - 2


def test_the_servers_death_costs_nothing(house):
    """kill -9 of the server in the middle of a job: the engine ends by itself, and the next start makes the job."""
    before = house.call("GET", "/api/v1/credits")["available"]
    jobs = [house.submit(**LONG), house.submit(seed=4)]
    house.job_when(jobs[0], lambda job: job.get("progress"))
    (engine,) = house.engines
    house.subject.kill()
    deadline = time.monotonic() + 10
    while Path(f"/proc/{engine}/cmdline").exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not Path(f"/proc/{engine}/cmdline").exists()
    house.start()
    for job_id in jobs:
        job = house.job_when(job_id, lambda job: job["status"] not in ("pending", "processing"))
        assert job["status"] == "completed"
        with Image.open(io.BytesIO(house.picture(job))) as image:
            image.load()
    assert house.call("GET", "/api/v1/credits")["balance"] == before - 2
    reconciled = house.subject.command("reconcile")
    assert reconciled.stdout == "0 drifts\n"


def test_a_signal_ends_it_cleanly(house):
    """SIGTERM in the middle of a job: exit code 0, no engine left, and the job has ended or waits for a start."""
    job_id = house.submit(**LONG)
    house.job_when(job_id, lambda job: job.get("progress"))
    (engine,) = house.engines
    assert house.subject.stop() == 0
    assert not Path(f"/proc/{engine}/cmdline").exists()
    assert "Traceback" not in house.printed
    assert house.row(job_id).state in (JobState.SUCCEEDED, JobState.QUEUED)
    assert house.subject.command("reconcile").stdout == "0 drifts\n"

"""LiteLLM, in an environment of its own, as a client of this dialect."""

from __future__ import annotations

import base64
import fcntl
import io
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

PINNED = "litellm==1.106.2"

pytestmark = pytest.mark.long


@pytest.fixture(scope="module")
def python(pytestconfig, no_outside_settings):
    """The Python of an environment that has LiteLLM, installed once."""
    folder = pytestconfig.cache.mkdir(f"sdk_python-{PINNED}")
    found = folder / "environment" / "bin" / "python"
    with (folder / "lock").open("w") as turn:
        fcntl.flock(turn, fcntl.LOCK_EX)
        if not (folder / "done").exists():
            subprocess.run([sys.executable, "-m", "venv", "--clear", folder / "environment"], check=True)
            command, outside = [found, "-m", "pip", "install", "--quiet", PINNED], no_outside_settings
            done = subprocess.run(command, capture_output=True, text=True, timeout=1800, env=outside)
            if done.returncode:
                pytest.skip(f"{PINNED} cannot be installed: {done.stderr.strip()[-300:]}")
            (folder / "done").touch()
    return found


@pytest.fixture(scope="module")
def told(python, live):
    """What LiteLLM got."""
    file = io.BytesIO()
    Image.new("RGB", (64, 48), "red").save(file, "PNG")
    environment = os.environ | {
        "HOUSE_URL": live.url,
        "HOUSE_KEY": live.new_key(),
        "POOR_KEY": live.new_key(0),
        "PICTURE": base64.b64encode(file.getvalue()).decode(),
    }
    script = Path(__file__).with_name("litellm_client.py")
    done = subprocess.run([python, script], env=environment, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr[-4000:]
    return json.loads(done.stdout.splitlines()[-1])


def test_pictures_are_made_and_edited(live, told):
    """Several at once, in base64, asynchronously, and from a picture."""
    urls = [*told["made"], told["later"], told["edited"]]
    assert len(set(urls)) == 4
    assert all(url.startswith(f"{live.url}/outputs/") for url in urls)
    assert Image.open(io.BytesIO(base64.b64decode(told["encoded"]))).size == (256, 256)


@pytest.mark.parametrize(
    ("case", "name", "status"),
    [
        ("field", "BadRequestError", 400),
        ("key", "AuthenticationError", 401),
        ("credit", "APIError", 402),
        ("model", "NotFoundError", 404),
        ("failed", "InternalServerError", 500),
    ],
)
def test_refusals_are_litellms_own_errors(told, case, name, status):
    """By class and status."""
    assert told["errors"][case] == {"name": name, "status": status}

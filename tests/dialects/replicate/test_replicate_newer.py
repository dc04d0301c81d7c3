"""The 2.x pre-release of Replicate's Python client, installed beside the other one, as a judge of this dialect."""

import base64
import fcntl
import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

PINNED = "replicate==2.0.0b4"
# What it needs beyond the tests' own environment, which must not change.
NEEDED = ("distro", "httpx", "pydantic", "sniffio", "typing_extensions")


@pytest.fixture(scope="module")
def newer(pytestconfig, no_outside_settings):
    """A folder with the client alone, installed once."""
    missing = [name for name in NEEDED if importlib.util.find_spec(name) is None]
    folder = pytestconfig.cache.mkdir(f"sdk_python-{PINNED}")
    with (folder / "lock").open("w") as turn:
        fcntl.flock(turn, fcntl.LOCK_EX)
        if not (folder / "done").exists():
            command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target", str(folder)]
            command += [PINNED, *missing]
            done = subprocess.run(command, capture_output=True, text=True, timeout=300, env=no_outside_settings)
            if done.returncode:
                pytest.skip(f"{PINNED} cannot be installed: {done.stderr.strip()[-300:]}")
            (folder / "done").touch()
    return folder


@pytest.fixture(scope="module")
def told(newer, live, png):
    """What the client got."""
    environment = os.environ | {
        "PYTHONPATH": str(newer),
        "HOUSE_URL": live.url,
        "HOUSE_KEY": live.new_key(),
        "POOR_KEY": live.new_key(0),
        "PICTURE": base64.b64encode(png).decode(),
    }
    script = Path(__file__).with_name("newer_client.py")
    done = subprocess.run([sys.executable, script], env=environment, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr[-4000:]
    return json.loads(done.stdout)


def test_pictures_are_made_and_edited(live, told):
    """With and without `/v1` in the address, by version, by upload and by data URI, and by `use`."""
    assert [len(told[name]) for name in ("made", "bare", "by_version", "overtime")] == [2, 1, 1, 1]
    assert all(url.startswith(f"{live.url}/outputs/") for url in (*told["edited"], told["used"][1]))
    assert len(told["used"][0]) == 1


def test_waits_deadlines_and_cancelling(told):
    """The deadline is told; a running prediction stops."""
    assert told["waited"] == ["succeeded", 30.0]
    assert told["cancelled"] == ["starting", "canceled"]


def test_files_come_and_go(told):
    """And are downloaded by their owner's signature alone."""
    assert told["files"] == {
        "sha256": True,
        "forged": 404,
        "metadata": {"for": "a test"},
        "listed": True,
        "same": True,
        "removed": "NotFoundError",
    }


def test_models_are_told(told):
    """As a list, by search, with their versions and their pages."""
    assert (told["models"], told["found"], told["versions"]) == (13, ["flux-kontext-max"], [True])
    assert told["readme"].startswith("# FLUX.1 [dev]")
    assert told["predictions"] > 5


@pytest.mark.parametrize(
    ("case", "name", "status"),
    [
        ("field", "UnprocessableEntityError", 422),
        ("version", "UnprocessableEntityError", 422),
        ("model", "NotFoundError", 404),
        ("missing", "NotFoundError", 404),
        ("key", "AuthenticationError", 401),
        ("credit", "APIStatusError", 402),
        ("unserved", "InternalServerError", 503),
        ("failed", "ModelError", None),
    ],
)
def test_refusals_are_the_clients_own_errors(told, case, name, status):
    """By class and status."""
    assert (told["errors"][case]["name"], told["errors"][case]["status"]) == (name, status)

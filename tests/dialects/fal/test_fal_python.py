"""fal's own Python client, unmodified and pointed here by its environment, as the judge of this dialect."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from pathlib import Path

import httpx2
import pytest
from PIL import Image


@pytest.fixture(scope="module")
def told(live, secure, png):
    """What the client got."""
    environment = os.environ | {
        "FAL_RUN_HOST": f"{secure.place}/fal/run",
        "FAL_QUEUE_RUN_HOST": f"{secure.place}/fal/queue",
        "FAL_KEY": live.new_key(),
        "SSL_CERT_FILE": str(secure.ca),
        "PLACE": secure.place,
        "POOR_KEY": live.new_key(0),
        "PICTURE": png.hex(),
    }
    script = Path(__file__).with_name("python_client.py")
    done = subprocess.run([sys.executable, script], env=environment, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr[-4000:]
    return json.loads(done.stdout)


def sizes(output):
    found = []
    for image in output["images"]:
        with Image.open(io.BytesIO(httpx2.get(image["url"]).content)) as picture:
            found.append(picture.size)
    return found


def test_pictures_are_made_and_edited(told):
    """Several at once; from a picture in its shape, or as far from it as asked; within the answer in sync mode."""
    assert sizes(told["made"]) == [(256, 256)] * 2
    assert sizes(told["edited"]) == sizes(told["varied"]) == [(1184, 880)]
    assert told["inline"] == "data:image/jpeg;base64,"


def test_a_subscriber_hears_of_the_queue(told):
    """With logs, a low priority, a hint and a time to start in."""
    found = told["subscribed"]
    assert {"InProgress", "Completed"} <= set(found["seen"])
    assert any("steps" in line for line in found["logs"])
    assert found["images"] == 1


def test_requests_are_polled_and_cancelled(told):
    """By handle and by id; who cancels gets the vendor's type of error, and 400 where it is too late."""
    polled = told["polled"]
    assert (polled["last"], polled["same"], polled["seed"]) == ("Completed", True, 7)
    assert polled["metrics"]["inference_time"] >= 0
    assert told["cancelled"]["status"] == told["cancelled"]["error"]["error_type"] == "client_cancelled"
    assert (told["cancelled"]["error"]["status_code"], told["cancelled"]["again"]["status_code"]) == (499, 400)


def test_a_run_streams(told, live):
    """Previews, and the picture at the end."""
    assert set(told["streamed"][:-1]) == {"data:image"}
    assert told["streamed"][-1] == live.url[:10]


def test_uploads_become_inputs(told, live):
    """Whichever way the client takes; an address that needs no key."""
    assert told["uploaded"]["sizes"] == [[1184, 880]] * 2
    for url in told["uploaded"]["urls"]:
        assert url.startswith(f"{live.url}/fal/files/")
        assert httpx2.get(url).headers["content-type"] == "image/png"


def test_the_asynchronous_client_gets_the_same(told, live):
    """Subscribing, running, streaming and cancelling."""
    found = told["async"]
    assert (found["images"], found["last"], found["run"], found["streamed"]) == (1, "Completed", 1, live.url[:10])
    assert (found["cancelled"]["status_code"], found["cancelled"]["error_type"]) == (499, "client_cancelled")


@pytest.mark.parametrize(
    ("case", "status", "message"),
    [
        ("field", 422, "`num_images` must be from 1 to 4."),
        ("submit", 422, "`image_size.width` must be from 256 to 1440."),
        ("key", 401, "API key is missing, unknown"),
        ("credit", 402, "Not enough credits"),
        ("model", 404, "Application `fal-ai/flux-9` not found"),
        ("unserved", 503, "no backend"),
        ("failed", 500, "The brush broke."),
        ("queued", 500, "The brush broke."),
        ("picture", 422, "image_url is not a complete picture"),
        ("missing", 404, "There is no such job"),
    ],
)
def test_errors_reach_its_caller(told, case, status, message):
    """As the client's own error, with our words."""
    error = told["errors"][case]
    assert (error["name"], error["status_code"]) == ("FalClientHTTPError", status)
    assert message in error["message"]


def test_who_waits_no_longer_gets_a_timeout(told):
    """After which the client has cancelled the request."""
    assert told["errors"]["timeout"]["name"] == "FalClientTimeoutError"

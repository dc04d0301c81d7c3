"""The vendor page's own samples, with our host and key, against a real server process."""

from __future__ import annotations

import io
import json
import os
import re
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx2
import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image
from schemathesis.specs.openapi.checks import positive_data_acceptance

VENDOR = "https://gateway.pixazo.ai"

# As the page prints them, line breaks of the shell restored.
SUBMIT_CURL = """curl -v -X POST "https://gateway.pixazo.ai/flux-dev/v1/dev/textToImage" \\
 -H "Content-Type: application/json" \\
 -H "Cache-Control: no-cache" \\
 -H "Ocp-Apim-Subscription-Key: YOUR_SUBSCRIPTION_KEY" \\
 --data-raw '{ "prompt": "A sunset over a mountain range", "image_size": "landscape_4_3" }'
"""
POLL_CURL = """curl -v -X POST "https://gateway.pixazo.ai/flux-dev-polling/dev/getFluxDevStatus" \\
 -H "Content-Type: application/json" \\
 -H "Cache-Control: no-cache" \\
 --data-raw '{ "request_id": "0c22795e-5440-4e11-92d3-e5d967755d09" }'
"""
SUBMIT_PYTHON = """import requests
url = "https://gateway.pixazo.ai/flux-dev/v1/dev/textToImage"
headers = {
    "Content-Type": "application/json",
    "Cache-Control": "no-cache",
    "Ocp-Apim-Subscription-Key": "YOUR_SUBSCRIPTION_KEY"
}
data = {
    "prompt": "A sunset over a mountain range",
    "image_size": "landscape_4_3"
}
response = requests.post(url, json=data, headers=headers)
print(response.json())
"""
EXAMPLE_ID = "0c22795e-5440-4e11-92d3-e5d967755d09"
EXAMPLE_RESULT = {
    "images": [
        {
            "url": "https://storage.example.com/image-abc123.jpg",
            "width": 1024,
            "height": 768,
            "content_type": "image/jpeg",
        }
    ],
    "timings": {"inference": 1.2312185550108552},
    "seed": 1551468471,
    "has_nsfw_concepts": [False],
    "prompt": "A sunset over a mountain range",
}


@dataclass(frozen=True)
class Server:
    """A running `fluxhouse serve`."""

    address: str
    key: str

    def sample(self, text: str, request_id: str = "") -> str:
        """A sample of the page with this server's host and key, and the id that was just answered."""
        text = text.replace(VENDOR, self.address).replace("YOUR_SUBSCRIPTION_KEY", self.key)
        return text.replace(EXAMPLE_ID, request_id) if request_id else text

    def shell(self, text: str, request_id: str = "") -> dict[str, object]:
        """What a sample in curl prints."""
        done = subprocess.run(
            ["sh", "-c", self.sample(text, request_id)], capture_output=True, text=True, timeout=30, check=True
        )
        return json.loads(done.stdout)

    def finished(self, request_id: str) -> dict[str, object]:
        """The page's poll, repeated until it brings images."""
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline:
            answer = self.shell(POLL_CURL, request_id)
            if "images" in answer:
                return answer
            assert answer["status"] in ("QUEUED", "PROCESSING"), answer
            time.sleep(0.1)
        raise AssertionError(f"not finished: {answer}")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server whose pictures are test cards; everything else is as a newcomer starts it."""
    folder = tmp_path_factory.mktemp("served")
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    address = f"http://127.0.0.1:{port}"
    command = [sys.executable, "-m", "fluxhouse", "serve", "--data", str(folder), "--port", str(port)]
    with (folder / "serve.log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, env=os.environ | {"FLUXHOUSE_MODELS": "*=testcard"})
        try:
            _until_ready(process, address, folder)
            yield Server(address, (folder / "demo-key").read_text().strip())
        finally:
            process.terminate()
            process.wait(20)


def _until_ready(process: subprocess.Popen[bytes], address: str, folder: Path) -> None:
    deadline = time.monotonic() + 40
    while time.monotonic() < deadline and process.poll() is None:
        try:
            if httpx2.get(f"{address}/readyz", timeout=5).status_code == 200:
                return
        except httpx2.TransportError:
            pass
        time.sleep(0.1)
    raise AssertionError((folder / "serve.log").read_text()[-3000:])


def test_the_pages_curl_brings_a_picture(server: Server) -> None:
    """Submit and poll as the page prints them, the poll without a key, end in the page's result and a real JPEG."""
    submitted = server.shell(SUBMIT_CURL)
    result = server.finished(str(submitted["request_id"]))
    assert shape(result) == shape(EXAMPLE_RESULT)
    image = result["images"][0]
    assert (image["width"], image["height"], image["content_type"]) == (1024, 768, "image/jpeg")
    assert result["prompt"] == EXAMPLE_RESULT["prompt"]
    response = httpx2.get(image["url"])
    assert response.headers["content-type"] == "image/jpeg"
    with Image.open(io.BytesIO(response.content)) as picture:
        assert (picture.format, picture.size) == ("JPEG", (1024, 768))


def test_the_pages_python_submits(server: Server, tmp_path: Path) -> None:
    """The page's Python sample prints a request id."""
    pytest.importorskip("requests")
    done = subprocess.run(
        [sys.executable, "-c", server.sample(SUBMIT_PYTHON)], capture_output=True, text=True, timeout=30, check=True
    )
    found = re.search(r"'request_id': '([0-9a-f-]{36})'", done.stdout)
    assert found, done.stdout
    assert server.finished(found[1])["prompt"] == EXAMPLE_RESULT["prompt"]


def test_the_polling_url_of_the_reply_leads_on(server: Server) -> None:
    """A client of the second generation follows the address in the submit's reply until it is completed."""
    submitted = server.shell(SUBMIT_CURL)
    server.finished(str(submitted["request_id"]))
    answer = httpx2.get(str(submitted["polling_url"]), headers={"Ocp-Apim-Subscription-Key": server.key}).json()
    assert answer["status"] == "COMPLETED"
    assert httpx2.get(answer["output"]["media_url"][0]).content.startswith(b"\xff\xd8")


def shape(value: object) -> object:
    """The keys and types of a JSON value, in their order."""
    if isinstance(value, dict):
        return [(name, shape(part)) for name, part in value.items()]
    if isinstance(value, list):
        return [shape(part) for part in value]
    return type(value).__name__


@pytest.mark.parametrize("keyed", [True, False])
def test_nothing_undocumented_is_answered(server: Server, keyed: bool) -> None:
    """Whatever is sent, the answer is one that the document has, and never a fault of ours.

    Not every body that fits its schema is accepted: a picture may be out of reach, a repeated key may come with
    another body, and two different ids may stand under the two names.
    """
    document = schemathesis.openapi.from_url(f"{server.address}/flux-dev/openapi")
    headers = {"Ocp-Apim-Subscription-Key": server.key} if keyed else {}

    @given(case=st.one_of([found.ok().as_strategy() for found in document.get_all_operations()]))
    @settings(max_examples=60, suppress_health_check=list(HealthCheck))
    def sent(case: schemathesis.Case) -> None:
        case.call_and_validate(headers=headers, excluded_checks=[positive_data_acceptance])

    sent()

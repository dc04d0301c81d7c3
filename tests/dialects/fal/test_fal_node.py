"""fal's JavaScript client and the AI SDK's fal provider, unmodified, as judges of this dialect."""

from __future__ import annotations

import base64
import io

import httpx2
import pytest
from PIL import Image


def shape(content):
    with Image.open(io.BytesIO(content)) as image:
        return image.size


def shapes(output):
    return [shape(httpx2.get(image["url"]).content) for image in output["images"]]


@pytest.fixture(scope="module")
def given(live, png):
    """What both scripts are given."""
    file = io.BytesIO()
    Image.new("RGB", (64, 48), "white").save(file, "PNG")
    pictures = {"picture": base64.b64encode(png).decode(), "mask": base64.b64encode(file.getvalue()).decode()}
    return {"house_key": live.new_key(), "poor_key": live.new_key(0), **pictures}


@pytest.fixture(scope="module")
def told(node, given):
    """What the vendor's client got."""
    return node("fal.mjs", **given)


@pytest.fixture(scope="module")
def provided(node, given):
    """What the AI SDK got."""
    return node("ai_fal.mjs", **given)


def test_pictures_are_made_and_edited(told, live):
    """A blob among the input is uploaded on the way, and an upload may be named again."""
    assert shapes(told["made"]["data"]) == [(256, 256)] * 2
    assert told["made"]["requestId"]
    assert shapes(told["edited"]["data"]) == shapes(told["uploaded"]["made"]) == [(1184, 880)]
    assert told["uploaded"]["url"].startswith(f"{live.url}/fal/files/")


@pytest.mark.parametrize("mode", ["subscribed", "followed"])
def test_a_subscriber_hears_of_the_queue(told, mode):
    """By polling and by the stream of statuses alike."""
    found = told[mode]
    assert found["seen"][-1] == "COMPLETED"
    assert "IN_PROGRESS" in found["seen"]
    assert any("steps" in line for line in found["logs"])
    assert (found["images"], found["named"]) == (1, True)


def test_a_run_streams(told, live):
    """Previews, and then the output; of a failure the error's body, for the status is out already."""
    assert told["streamed"]["events"][0] == "data:image"
    assert told["streamed"]["events"][-1] == live.url[:10]
    assert told["streamed"]["last"]["prompt"] == "a red boat"
    assert told["broken"]["last"]["detail"][0]["msg"] == "The brush broke."


def test_requests_are_polled_and_cancelled(told):
    """By the id alone, which is what this client keeps."""
    assert told["polled"] == {"status": "COMPLETED", "seed": 7}
    assert (told["cancelled"]["result"]["status"], told["cancelled"]["result"]["type"]) == (499, "client_cancelled")
    assert (told["cancelled"]["again"]["name"], told["cancelled"]["again"]["status"]) == ("ApiError", 400)


def test_webhooks_are_verified_as_the_vendor_says(told):
    """By the public key of the installation; a changed body is not."""
    assert told["told"] == {"ours": True, "valid": True, "forged": False}


@pytest.mark.parametrize(
    ("case", "name", "status", "message"),
    [
        ("field", "ValidationError", 422, "must be from 1 to 4"),
        ("key", "ApiError", 401, "API key is missing, unknown"),
        ("credit", "ApiError", 402, "Not enough credits"),
        ("model", "ApiError", 404, "not found"),
        ("failed", "ApiError", 500, "The brush broke."),
        ("queued", "ApiError", 500, "The brush broke."),
        ("upload", "ValidationError", 422, "`content_type` must be image/"),
        ("damaged", "ValidationError", 422, "is not a complete picture"),
        ("parts", "ValidationError", 422, "in one piece of at most 20,000,000 bytes"),
        ("missing", "ApiError", 404, "There is no such job"),
    ],
)
def test_errors_reach_its_caller(told, case, name, status, message):
    """As the client's own classes, fields at fault by their names."""
    error = told["errors"][case]
    assert (error["name"], error["status"]) == (name, status)
    said = error["detail"] if isinstance(error["detail"], str) else error["detail"][0]["msg"]
    assert message in said
    assert error.get("fields") == (None if name == "ApiError" else 1 if case == "field" else 0)


def test_the_ai_sdk_makes_and_edits(provided):
    """Several one by one; in the size or ratio asked for; from one picture, from two, and where a mask is white."""
    made = [base64.b64decode(text) for text in provided["made"]]
    assert [(shape(content), content[:4]) for content in made] == [((256, 256), b"\x89PNG")] * 2
    size = {"width": 256, "height": 256}
    file = {"contentType": "image/png", "fileName": "0.png", "fileSize": len(made[0])}
    assert provided["shown"] == {**size, **file, "nsfw": False}
    assert [shape(base64.b64decode(text)) for text in provided["ratio"]] == [(1024, 576)]
    for name in ("edited", "both", "masked"):
        assert [shape(base64.b64decode(text)) for text in provided[name]] == [(1184, 880)]


@pytest.mark.parametrize(
    ("case", "status", "message"),
    [
        ("field", 422, "body.image_size.width: `image_size.width` must be from 256 to 1440."),
        ("key", 401, "Unauthorized"),
        ("credit", 402, "Payment Required"),
        ("model", 404, "Not Found"),
        ("failed", 500, "body: The brush broke."),
    ],
)
def test_errors_reach_the_ai_sdks_caller(provided, case, status, message):
    """In our words where it reads the vendor's list, by the status where it has nothing to read."""
    error = provided["errors"][case]
    assert (error["name"], error["status"], error["message"]) == ("AI_APICallError", status, message)


def test_who_stops_waiting_is_told_by_its_own_clock(provided):
    """As any other timeout of its runtime."""
    assert provided["errors"]["stopped"]["name"] == "TimeoutError"

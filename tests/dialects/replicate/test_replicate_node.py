"""npm `replicate` and the AI SDK's Replicate provider, unmodified, as judges of this dialect."""

import base64
import io

import pytest
from PIL import Image

from fluxhouse.catalog.catalog import Catalog
from fluxhouse.dialects.replicate.hosted import HostedModels


def encoded(image):
    file = io.BytesIO()
    image.save(file, "PNG")
    return base64.b64encode(file.getvalue()).decode()


PICTURE = encoded(Image.new("RGB", (64, 48), "red"))


@pytest.fixture(scope="module")
def told(node, live):
    """What npm `replicate` got."""
    return node("replicate.mjs", poor_key=live.new_key(0), picture=PICTURE)


def test_pictures_are_made_and_edited(live, told):
    """By name and by version, several at once, from a picture that was uploaded on the way; Kontext gives one."""
    assert [len(told[name]) for name in ("made", "byVersion", "varied")] == [2, 1, 1]
    assert len(set(told["made"])) == 2
    assert told["edited"].startswith(f"{live.url}/outputs/")


def test_waiting_ends_in_pictures(told):
    """Where the client polls, and where it holds the line for too short a time and polls then."""
    assert len(told["polled"]) == len(told["overtime"]) == 1
    assert {"starting", "processing", "progress"} <= set(told["waited"]["seen"])
    assert told["waited"]["last"] == "succeeded"
    assert told["waited"]["progress"] == {"percentage": 1, "current": 5, "total": 5} | told["waited"]["progress"]
    assert told["cancelled"] == "canceled"


def test_a_stream_gives_files_without_a_key(told):
    """The client sends no key to a stream, and takes its outputs for files."""
    assert told["streamed"] == [["output", "bytes"], ["output", "bytes"], ["done", "{}"]]


def test_webhooks_pass_the_clients_own_verifier(told):
    """The start and the end are told of, signed; a changed body is none of ours."""
    assert [message["status"] for message in told["told"]] == ["processing", "succeeded"]
    for message in told["told"]:
        assert (message["ours"], message["valid"], message["forged"]) == (True, True, False)


def test_files_come_and_go(live, told):
    """With the metadata that came with them."""
    file = told["file"]
    assert (file["same"], file["metadata"], file["content_type"]) == (True, {"from": "node"}, "image/png")
    assert file["urls"]["get"] == f"{live.url}/v1/files/{file['id']}"
    assert file["listed"] >= 1
    assert told["removed"] is True


def test_models_are_listed_and_found(told):
    """Every one the vendor has too, each with its version."""
    assert told["models"] == [hosted.full_name for hosted in HostedModels(Catalog.load()).all]
    assert (told["found"], told["versions"], told["account"]) == (3, [True], "user")
    assert told["predictions"] > 5


@pytest.mark.parametrize(
    ("case", "status", "words"),
    [
        ("field", 422, "Input validation failed"),
        ("version", 422, "Invalid version or not permitted"),
        ("model", 404, "could not be found"),
        ("missing", 404, "could not be found"),
        ("file", 404, "could not be found"),
        ("key", 401, "Unauthenticated"),
        ("credit", 402, "insufficient credit"),
        ("unserved", 503, "no backend"),
    ],
)
def test_refusals_are_the_clients_own_errors(told, case, status, words):
    """By class, status and what its text says."""
    error = told["errors"][case]
    assert (error["name"], error["status"]) == ("ApiError", status)
    assert words in error["message"]


@pytest.mark.parametrize("case", ["failed", "stream"])
def test_a_failed_prediction_is_an_error_with_its_reason(told, case):
    """As a call and as a stream."""
    assert "The brush broke." in told["errors"][case]["message"]


def test_the_ai_sdk_gets_its_pictures(node):
    """Made, varied and edited; what it is refused is an API error that names the field."""
    told = node("ai_replicate.mjs", picture=PICTURE)
    assert told["made"] == ["image/jpeg"] * 2
    assert (told["single"], told["varied"], told["edited"]) == (["image/jpeg"], ["image/jpeg"], ["image/webp"])
    errors = told["errors"]
    assert (errors["field"]["name"], errors["field"]["status"]) == ("AI_APICallError", 422)
    assert "`size` is not an input of black-forest-labs/flux-dev" in errors["field"]["message"]
    assert errors["model"]["status"] == 404

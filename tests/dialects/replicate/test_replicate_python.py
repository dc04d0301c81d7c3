"""Replicate's own Python client of the 1.x series, unmodified and pointed here by its settings, as a judge."""

from __future__ import annotations

import io
import time
from contextlib import contextmanager

import httpx
import pytest
import replicate
from PIL import Image
from replicate.exceptions import ModelError, ReplicateError
from replicate.webhook import InvalidSignatureError, Webhooks

DEV, KONTEXT = "black-forest-labs/flux-dev", "black-forest-labs/flux-kontext-dev"
SLOW, FAILING, UNSERVED = (f"black-forest-labs/{name}" for name in ("flux-schnell", "flux-krea-dev", "flux-pro"))
SMALL = {"prompt": "a red boat", "megapixels": "0.25", "output_format": "jpg"}


@contextmanager
def client_for(live, key):
    client = replicate.Client(api_token=key, base_url=live.url)
    client.poll_interval = 0.05
    yield client
    client._client.close()


@pytest.fixture(scope="module")
def sdk(live, key):
    with client_for(live, key) as client:
        yield client


@pytest.fixture(scope="module")
def version(sdk):
    return sdk.models.get(DEV).latest_version.id


def size(url):
    with Image.open(io.BytesIO(httpx.get(url).content)) as image:
        return image.size


def named(png):
    file = io.BytesIO(png)
    file.name = "red.png"
    return file


def test_a_model_is_run_by_its_name(sdk):
    """Each output is an address that needs no key."""
    urls = sdk.run(DEV, input=SMALL | {"num_outputs": 2})
    assert len(set(urls)) == 2
    assert [size(url) for url in urls] == [(512, 512)] * 2


def test_a_model_is_run_by_its_version(sdk, version):
    """The client asks for the version's schema, in which outputs are a list and no iterator."""
    assert len(sdk.run(f"{DEV}:{version}", input=SMALL)) == 1


def test_a_picture_is_edited(sdk, png):
    """Uploaded on the way and named by its address; Kontext answers with one address in the picture's shape."""
    url = sdk.run(KONTEXT, input={"prompt": "blue", "input_image": named(png), "output_format": "jpg"})
    assert size(url) == (1184, 880)


def test_a_picture_may_come_as_a_data_uri(sdk, version, png):
    """Of an unknown type too, which is what the client says of a file without a name."""
    sent = SMALL | {"image": io.BytesIO(png), "prompt_strength": 0.5}
    prediction = sdk.predictions.create(version, sent, file_encoding_strategy="base64")
    prediction.wait()
    assert prediction.status == "succeeded"
    assert prediction.input["image"].startswith("data:application/octet-stream;base64,")
    assert len(prediction.input["image"]) < 100


def test_a_prediction_is_polled_to_its_end(sdk):
    """With its progress on the way."""
    prediction = sdk.predictions.create(model=SLOW, input=SMALL)
    assert prediction.status == "starting"
    seen = set()
    while prediction.status in ("starting", "processing"):
        time.sleep(0.05)
        prediction.reload()
        seen.add((prediction.status, prediction.progress.current if prediction.progress else None))
    assert prediction.status == "succeeded"
    assert {("processing", 2), ("succeeded", 5)} <= seen
    assert prediction.metrics["predict_time"] > 1


def test_a_wait_that_is_too_short_is_followed_by_polls(sdk):
    """A client that waited takes any word but starting for the end."""
    assert len(sdk.run(SLOW, input=SMALL, wait=1)) == 1


def test_a_prediction_is_cancelled(sdk):
    """At its next step; cancelling it again changes nothing."""
    prediction = sdk.predictions.create(model=SLOW, input=SMALL)
    prediction.cancel()
    assert prediction.status == "canceled"
    prediction.cancel()
    assert (prediction.status, prediction.output) == ("canceled", None)


def test_a_prediction_is_streamed(sdk):
    """Each output, and that it is done."""
    events = [(event.event.value, str(event)) for event in sdk.stream(DEV, input=SMALL | {"num_outputs": 2})]
    assert [name for name, _ in events] == ["output", "output", "done"]
    assert size(events[0][1]) == (512, 512)


def test_webhooks_pass_the_clients_own_verifier(sdk, receiver):
    """The start and the end, each as GET answers; a changed body passes no more."""
    prediction = sdk.predictions.create(
        model=SLOW, input=SMALL, webhook=receiver.url, webhook_events_filter=["start", "completed"]
    )
    secret = sdk.webhooks.default.secret()
    for status in ("processing", "succeeded"):
        headers, body = receiver.next()
        Webhooks.validate(headers=headers, body=body.decode(), secret=secret, tolerance=60)
        with pytest.raises(InvalidSignatureError):
            Webhooks.validate(headers=headers, body=body.decode() + " ", secret=secret)
        told = replicate.prediction.Prediction.parse_raw(body)
        assert (told.id, told.status) == (prediction.id, status)
    prediction.reload()
    assert (told.output, told.input) == (prediction.output, prediction.input)


def test_files_come_and_go(sdk, png):
    """With name and metadata, for their owner alone."""
    file = sdk.files.create(named(png), metadata={"for": "a test"})
    assert (file.name, file.content_type, file.metadata) == ("red.png", "image/png", {"for": "a test"})
    assert sdk.files.get(file.id) == file
    assert file in sdk.files.list()
    assert sdk.files.delete(file.id)
    with pytest.raises(ReplicateError):
        sdk.files.get(file.id)


def test_models_versions_and_the_account_are_told(sdk, version):
    """As the client's own classes read them."""
    assert {DEV, KONTEXT} <= {model.id for model in sdk.models.list()}
    assert [model.id for model in sdk.models.search("kontext max")] == ["black-forest-labs/flux-kontext-max"]
    (only,) = sdk.models.get(DEV).versions.list()
    assert only.id == version
    assert list(only.openapi_schema["components"]["schemas"]["Input"]["properties"])[:2] == ["prompt", "aspect_ratio"]
    assert sdk.accounts.current().type == "user"
    assert len(sdk.predictions.list().results) > 3


@pytest.mark.parametrize(
    ("call", "status", "title"),
    [
        (lambda sdk: sdk.run(DEV, input=SMALL | {"num_outputs": 9}), 422, "Input validation failed"),
        (lambda sdk: sdk.run("nobody/nothing", input=SMALL), 404, "Not found"),
        (lambda sdk: sdk.predictions.create("0" * 64, SMALL), 422, "Invalid version or not permitted"),
        (lambda sdk: sdk.predictions.get("0" * 26), 404, "Not found"),
        (lambda sdk: sdk.predictions.cancel("0" * 26), 404, "Not found"),
        (lambda sdk: sdk.run(UNSERVED, input={"prompt": "a"}), 503, "Service unavailable"),
        (lambda sdk: sdk.files.create(io.BytesIO(b"no picture")), 422, "Input validation failed"),
        (lambda sdk: sdk.deployments.get("a/b"), 404, "Not found"),
    ],
)
def test_refusals_are_the_clients_own_errors(sdk, call, status, title):
    """With the vendor's status and title."""
    with pytest.raises(ReplicateError) as caught:
        call(sdk)
    assert (caught.value.status, caught.value.title) == (status, title)
    assert caught.value.detail


def test_who_may_not_is_told_so(live):
    """A wrong key, and an account without credits."""
    for key, status, title in (("fh_no", 401, "Unauthenticated"), (live.new_key(0), 402, "Insufficient credit")):
        with client_for(live, key) as client, pytest.raises(ReplicateError) as caught:
            client.run(DEV, input=SMALL)
        assert (caught.value.status, caught.value.title) == (status, title)


def test_a_failed_prediction_is_the_clients_own_error(sdk):
    """With its reason; a stream of it raises as well."""
    with pytest.raises(ModelError, match="The brush broke"):
        sdk.run(FAILING, input=SMALL)
    with pytest.raises(RuntimeError, match="The brush broke"):
        list(sdk.stream(FAILING, input=SMALL))

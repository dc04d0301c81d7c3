"""Replicate: what is asked in its words, and how its ends are told in ours."""

import pytest
from starlette.responses import JSONResponse

from fluxhouse.generation.errors import ContentModerated, ProviderFailed, ProviderRefused
from fluxhouse.generation.request import Acceleration, OutputFormat, Task


@pytest.mark.parametrize(
    ("model", "asked", "sent"),
    [
        ("flux-dev", {"steps": 20, "guidance": 2.5, "width": 1344, "height": 768}, {
            "aspect_ratio": "16:9", "num_outputs": 1, "megapixels": "1", "num_inference_steps": 20, "guidance": 2.5,
            "go_fast": False, "output_format": "png"}),
        ("flux-schnell", {"guidance": 3.5, "acceleration": Acceleration.HIGH, "format": OutputFormat.WEBP}, {
            "aspect_ratio": "1:1", "num_outputs": 1, "megapixels": "0.25", "go_fast": True, "output_format": "webp",
            "output_quality": 80}),
        ("flux-1.1-pro", {"width": 1024, "height": 640}, {
            "aspect_ratio": "custom", "width": 1024, "height": 640, "output_format": "png"}),
        ("flux-1.1-pro-ultra", {"format": OutputFormat.WEBP}, {"aspect_ratio": "1:1", "output_format": "png"}),
        ("flux-kontext-max", {"width": 768, "height": 1344}, {"aspect_ratio": "9:16", "output_format": "png"}),
    ],
)  # fmt: skip
async def test_a_request_in_its_fields(vendors, run, model, asked, sent):
    """Sizes become its aspect ratios; what a model has no field for is left out."""
    await run(vendors.provider("replicate"), model=model, **asked)
    ((path, headers, body),) = vendors.submits
    assert path == f"/v1/models/black-forest-labs/{model}/predictions"
    assert headers["authorization"] == "Bearer secret"
    assert body == {"input": {"prompt": "a fox", "seed": 7} | sent}


async def test_pictures_go_as_data_uris(vendors, run, another, drawn, tmp_path):
    """To start from, to edit, and to repaint with a mask."""
    path, mask = tmp_path / "a.png", tmp_path / "b.jpg"
    path.write_bytes(drawn())
    mask.write_bytes(drawn(format="JPEG"))
    provider = vendors.provider("replicate")
    await run(provider, path, inputs=("a",), task=Task.VARY, strength=0.6)
    await another(provider, path, inputs=("a",), task=Task.EDIT, model="flux-kontext-dev")
    await another(provider, path, mask, inputs=("a", "b"), task=Task.FILL, model="flux-fill-dev")
    varied, edited, filled = (body["input"] for body in vendors.bodies)
    assert (varied["image"][:22], varied["prompt_strength"]) == ("data:image/png;base64,", 0.6)
    assert (edited["input_image"][:22], edited["aspect_ratio"]) == ("data:image/png;base64,", "match_input_image")
    assert (filled["mask"][:23], filled["megapixels"]) == ("data:image/jpeg;base64,", "match_input")
    with pytest.raises(ProviderRefused, match="one input image"):
        await another(provider, path, path, inputs=("a", "a"), task=Task.EDIT, model="flux-kontext-pro")
    with pytest.raises(ProviderRefused, match="does not start from"):
        await another(provider, path, inputs=("a",), task=Task.VARY, model="flux-1.1-pro")


async def test_a_version_is_asked_by_its_hash(vendors, run):
    """`replicate:owner/name:hash` in the settings."""
    provider = vendors.provider("replicate")
    provider.models["flux-dev"] = "me/my-dev:abc123"
    await run(provider)
    ((path, _, body),) = vendors.submits
    assert (path, body["version"]) == ("/v1/predictions", "abc123")


@pytest.mark.parametrize(
    ("ending", "model", "error", "charged"),
    [
        ({"status": "failed", "error": "out of memory"}, "flux-dev", ProviderFailed, False),
        ({"status": "canceled"}, "me/my-dev", ProviderFailed, True),
        ({"status": "failed", "error": "NSFW content detected"}, "flux-dev", ContentModerated, None),
        ({"status": "succeeded", "output": None}, "flux-dev", ProviderFailed, True),
    ],
)
async def test_bad_ends(vendors, run, record, ending, model, error, charged):
    """A failed run of an official model is free; of another its time is charged; moderation is the prompt's fault."""
    vendors.ending, provider = JSONResponse(ending), vendors.provider("replicate")
    if "/" in model:
        provider.models["flux-dev"] = model
    with pytest.raises(error) as failed:
        await run(provider)
    assert getattr(failed.value, "charged", None) is charged
    assert (record.states, record.costs) == (["failed"], [0])


async def test_a_prediction_is_cancelled(vendors):
    """By its receipt."""
    provider = vendors.provider("replicate")
    await provider.withdraw({"id": "task1", "model": "black-forest-labs/flux-dev"})
    await provider.aclose()
    assert vendors.cancelled == ["task1"]

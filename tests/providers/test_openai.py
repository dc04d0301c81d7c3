"""OpenAI's language: one request that waits, as JSON or as a form, and what its answers mean."""

import io
from email.parser import BytesParser

import pytest
from PIL import Image
from starlette.responses import JSONResponse

from fluxhouse.generation.errors import PromptRefused, ProviderFailed, ProviderUnavailable
from fluxhouse.generation.request import OutputFormat, Task


def parts(headers, body):
    """The parts of a form by name: text, or the bytes of a file."""
    message = BytesParser().parsebytes(f"content-type: {headers['content-type']}\r\n\r\n".encode() + body)
    return {
        part.get_param("name", header="content-disposition"): part.get_payload(decode=True)
        for part in message.get_payload()
    }


async def test_a_request_in_its_fields(vendors, run, another):
    """FLUX servers take the seed and the steps beside OpenAI's fields; OpenAI's own model takes neither."""
    provider = vendors.provider("openai")
    await run(provider, steps=20, guidance=2.5, format=OutputFormat.JPEG)
    provider.models["flux-dev"] = "gpt-image-1"
    await another(provider, steps=20, width=1500, height=1000)
    (path, headers, flux), (_, _, gpt) = vendors.submits
    assert (path, headers["authorization"]) == ("/openai/images/generations", "Bearer secret")
    shared = {"model": "flux-dev", "prompt": "a fox", "n": 1, "output_format": "jpeg", "output_compression": 80}
    wanted = {"response_format": "b64_json", "size": "64x64", "seed": 7, "num_inference_steps": 20}
    assert flux == shared | wanted | {"guidance_scale": 2.5}
    assert (gpt["size"], "seed" in gpt, "response_format" in gpt) == ("1536x1024", False, False)


async def test_a_form_carries_pictures_and_a_mask_where_it_is_transparent(vendors, run, another, drawn, tmp_path):
    """White in our mask is where the picture is made anew, which OpenAI wants transparent."""
    path, mask = tmp_path / "a.png", tmp_path / "b.png"
    path.write_bytes(drawn())
    half = Image.new("L", (64, 64), 0)
    half.paste(255, (32, 0, 64, 64))
    half.save(mask)
    provider = vendors.provider("openai")
    await run(provider, path, mask, inputs=("a", "b"), task=Task.FILL, model="flux-fill-dev")
    await another(provider, path, inputs=("a",), task=Task.VARY, strength=0.6)
    (at, headers, body), (_, other_headers, other) = vendors.submits
    form = parts(headers, body)
    assert (at, form["image"], form["seed"]) == ("/openai/images/edits", drawn(), b"7")
    with Image.open(io.BytesIO(form["mask"])) as sent:
        assert [sent.getchannel("A").getpixel(at) for at in ((0, 0), (63, 0))] == [255, 0]
    assert parts(other_headers, other)["prompt_strength"] == b"0.6"


@pytest.mark.parametrize(
    ("status", "code", "error"),
    [
        (400, "moderation_blocked", PromptRefused),
        (500, "generation_failed", ProviderFailed),
        (500, "timeout", ProviderUnavailable),
        (503, "shutting_down", ProviderUnavailable),
    ],
)
async def test_bad_ends(vendors, run, status, code, error):
    """Another Fluxhouse that only stops waiting has not failed: it is asked again under the same key."""
    vendors.refusals = [JSONResponse({"error": {"message": "no", "code": code, "type": "x", "param": None}}, status)]
    with pytest.raises(error) as failed:
        await run(vendors.provider("openai", exact=True))
    assert (type(failed.value) is ProviderFailed) == (error is ProviderFailed)


async def test_an_answer_without_a_picture_fails(vendors, run):
    """With status 200 all the same; it may have been charged."""
    vendors.refusals = [JSONResponse({"created": 1, "data": []})]
    with pytest.raises(ProviderFailed, match="no picture") as failed:
        await run(vendors.provider("openai"))
    assert failed.value.charged

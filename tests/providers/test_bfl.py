"""BFL: what is asked in its words, where it is asked after, and how its ends are told in ours."""

import pytest
from starlette.responses import JSONResponse

from fluxhouse.generation.errors import ContentModerated, PromptRefused, ProviderFailed, ProviderRefused
from fluxhouse.generation.request import OutputFormat, Task
from fluxhouse.providers.bfl import _is_of


@pytest.mark.parametrize(
    ("model", "asked", "path", "sent"),
    [
        ("flux-dev", {"width": 1000, "height": 2000, "steps": 20, "guidance": 2.5}, "flux-dev",
         {"width": 992, "height": 1440, "steps": 20, "guidance": 2.5}),
        ("flux-1.1-pro", {"width": 1024, "height": 768, "steps": 20}, "flux-pro-1.1", {"width": 1024, "height": 768}),
        ("flux-1.1-pro-ultra", {"width": 1920, "height": 1080}, "flux-pro-1.1-ultra", {"aspect_ratio": "16:9"}),
        ("flux-kontext-pro", {"width": 3000, "height": 64}, "flux-kontext-pro", {"aspect_ratio": "21:9"}),
    ],
)  # fmt: skip
async def test_a_request_in_its_fields(vendors, run, model, asked, path, sent):
    """Sides are those it makes; the picture is brought to ours when it comes."""
    (image,) = await run(vendors.provider("bfl"), model=model, format=OutputFormat.JPEG, **asked)
    ((asked_at, headers, body),) = vendors.submits
    assert (asked_at, headers["x-key"]) == (f"/bfl/v1/{path}", "secret")
    assert body == {"prompt": "a fox", "seed": 7, "output_format": "jpeg"} | sent
    assert (image.width, image.height) == (asked["width"], asked["height"])


async def test_pictures_go_in_base64(vendors, run, another, drawn, tmp_path):
    """Several to edit, one and a mask to repaint; nothing starts from a picture."""
    path = tmp_path / "a.png"
    path.write_bytes(drawn())
    provider = vendors.provider("bfl")
    await run(provider, path, path, inputs=("a", "a"), task=Task.EDIT, model="flux-kontext-pro")
    await another(provider, path, path, inputs=("a", "a"), task=Task.FILL, model="flux-fill-dev", steps=20)
    edited, filled = vendors.bodies
    assert edited["input_image"] == edited["input_image_2"] == filled["image"] == filled["mask"]
    assert (filled["steps"], "input_image_3" in edited) == (20, False)
    with pytest.raises(ProviderRefused, match="does not start from"):
        await another(provider, path, inputs=("a",), task=Task.VARY)


@pytest.mark.parametrize(
    ("status", "error"),
    [("Request Moderated", PromptRefused), ("Content Moderated", ContentModerated), ("Error", ProviderFailed),
     ("Task not found", ProviderFailed)],
)  # fmt: skip
async def test_bad_ends(vendors, run, record, status, error):
    """Moderation is the prompt's fault; whether an error was charged it does not say."""
    vendors.ending = JSONResponse({"status": status, "result": None})
    with pytest.raises(error) as failed:
        await run(vendors.provider("bfl"))
    assert getattr(failed.value, "charged", True)
    assert record.states == ["failed"]


async def test_an_address_of_strangers_is_not_asked(vendors, run, record):
    """The key is for the operator's host, whatever an answer says."""
    vendors.told = {"polling_url": "https://elsewhere.example.com/v1/get_result?id=1"}
    with pytest.raises(ProviderFailed, match="no address of its own"):
        await run(vendors.provider("bfl"))
    assert record.states == ["failed"]


@pytest.mark.parametrize(
    ("asked", "ours", "answer"),
    [
        ("https://api.eu1.bfl.ai/v1/get_result?id=1", "https://api.bfl.ai", True),
        ("http://api.eu1.bfl.ai/v1/get_result?id=1", "https://api.bfl.ai", False),
        ("https://bfl.ai.example.com/", "https://api.bfl.ai", False),
        ("https://evilbfl.ai/", "https://api.bfl.ai", False),
        ("http://8.0.0.1:80/", "http://127.0.0.1:80", False),
        ("http://127.0.0.1:80/x", "http://127.0.0.1:80/bfl", True),
        ("https://a.example/", "https://example", False),
    ],
)
def test_which_addresses_are_the_hosts(asked, ours, answer):
    """Its own, and over TLS its sisters' under the same domain, as the vendor's regions are."""
    assert _is_of(asked, ours) is answer
